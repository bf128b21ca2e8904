package channels_test

import (
	"encoding/json"
	"testing"

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
