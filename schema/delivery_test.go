package schema

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Far ends have seen these ids: a change of the function would send what they
// have once more.
func TestDeliveryIDIsForEver(t *testing.T) {
	t.Parallel()
	d := Delivery{Event: Event{Source: "/platform", ID: "e1"}, User: "ada", Channel: "webhook", Target: "main"}
	require.Equal(t, "7bf21791-9b6d-87d8-a0c4-d2188fcbe3d9", d.ID())
	again := d
	again.Attempts, again.Replays, again.Hops = 7, 1, 3
	require.Equal(t, d.ID(), again.ID(), "stable over retries and replays")
}

// Fields that run together differently are different deliveries.
func TestDeliveryIDsDiffer(t *testing.T) {
	t.Parallel()
	field := rapid.StringMatching(`[ab]{0,3}`)
	draw := rapid.Custom(func(t *rapid.T) Delivery {
		return Delivery{
			Event: Event{Source: field.Draw(t, "source"), ID: field.Draw(t, "id")},
			User:  field.Draw(t, "user"), Channel: field.Draw(t, "channel"), Target: field.Draw(t, "target"),
		}
	})
	canonical := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		same := a.Event.Source == b.Event.Source && a.Event.ID == b.Event.ID &&
			a.User == b.User && a.Channel == b.Channel && a.Target == b.Target
		require.Equal(t, same, a.ID() == b.ID())
		require.Regexp(t, canonical, a.ID())
	})
}
