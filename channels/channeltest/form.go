package channeltest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/channels"
)

var kinds = []channels.FieldKind{channels.Text, channels.URL, channels.Email, channels.Lines, channels.Select}

func (s Subject) describesForm(t *testing.T) {
	names := map[string]bool{}
	for _, f := range s.Spec.Fields {
		require.Regexp(t, namePattern, f.Name)
		require.NotEmpty(t, f.Label, f.Name)
		require.NotEmpty(t, f.Help, f.Name)
		require.Contains(t, kinds, f.Kind, f.Name)
		require.Equal(t, f.Kind == channels.Select, len(f.Options) > 1, "%s: a select has options, and nothing else has", f.Name)
		require.False(t, f.Required && f.Advanced, "%s is needed, so it must be in sight", f.Name)
		names[f.Name] = true
		s.checksField(t, f)
	}
	require.Len(t, names, len(s.Spec.Fields), "each field has a name of its own")
}

// checksField tries what a form can do with one field of good settings.
func (s Subject) checksField(t *testing.T, f channels.Field) {
	for _, o := range f.Options {
		require.NotEmpty(t, o.Label, "%s: %q", f.Name, o.Value)
		require.NoError(t, s.Spec.Check(s.with(t, f.Name, o.Value)), "%s: %q", f.Name, o.Value)
	}
	switch empty := s.Spec.Check(s.with(t, f.Name, "")); {
	case f.Renew != nil:
		s.renews(t, f)
	case f.Required:
		require.Error(t, empty, "%s is required", f.Name)
	default:
		require.NoError(t, empty, "%s is not required", f.Name)
	}
	if f.Kind == channels.Select {
		require.Error(t, s.Spec.Check(s.with(t, f.Name, "neither")), "%s takes its options alone", f.Name)
	}
}

func (s Subject) renews(t *testing.T, f channels.Field) {
	now := time.Now()
	once, first, err := f.Renew(s.with(t, f.Name, ""), now)
	require.NoError(t, err)
	twice, second, err := f.Renew(once, now)
	require.NoError(t, err)
	require.NoError(t, s.Spec.Check(twice), "%s as it was made", f.Name)
	require.NotEmpty(t, first)
	require.NotEqual(t, first, second, "%s is another each time", f.Name)
	_, _, err = f.Renew(json.RawMessage(`[]`), now)
	require.Error(t, err, "%s of settings that are none", f.Name)
}

// with is the subject's own settings with one field changed.
func (s Subject) with(t *testing.T, name, value string) json.RawMessage {
	t.Helper()
	all := map[string]json.RawMessage{}
	if len(s.Target.Settings) > 0 {
		require.NoError(t, json.Unmarshal(s.Target.Settings, &all))
	}
	all[name], _ = json.Marshal(value) // a text always can be
	changed, err := json.Marshal(all)
	require.NoError(t, err)
	return changed
}
