package ops

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzLetterForm gives queries of the page of dead letters. What is chosen is
// what a link carries on, and what makes no sense is said.
func FuzzLetterForm(f *testing.F) {
	f.Add("channel=webhook&type=job.fail&account=acme&since=2026-03-01T12:00")
	f.Add("until=0000-00-00T99:99&cause=%00&channel=*&user=>")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		form := readLetterForm(q)
		require.Equal(t, form, readLetterForm(form.Query()), "a link")
		filter, ok := form.filter()
		require.Equal(t, ok, form.Error == "")
		if ok {
			require.NoError(t, filter.Check())
		}
	})
}
