package channels_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
	"tocsin/schema"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]schema.Event{
		"Process web is down (Ledger)": {Type: "process.down", Data: json.RawMessage(`{"name":"web","stack_name":"Ledger"}`)},
		"Process web is down":          {Type: "process.down", Data: json.RawMessage(`{"name":"web"}`)},
		"Redeploy of Ledger failed":    {Type: "stack.redeploy.fail", Data: json.RawMessage(`{"name":"Ledger"}`)},
	} {
		require.Equal(t, want, channels.Line(e))
	}
}

func TestDeliveryLine(t *testing.T) {
	t.Parallel()
	d := schema.Delivery{Event: schema.Event{Type: "server.backon", ResourceName: "web-1", StackName: "Ledger", Time: moment}}
	require.Equal(t, "Server web-1 is back (Ledger)", channels.DeliveryLine(d))
	d.Since = moment.Add(-134 * time.Minute)
	require.Equal(t, "Server web-1 is back (Ledger) after 2 h 14 min", channels.DeliveryLine(d))
}
