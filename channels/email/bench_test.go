package email

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/farend"
)

// BenchmarkSend hands mails to an inbox in the same process, by as many
// senders as a worker has: -benchtime 10000x hands over 10,000. "sequential" is
// a server that does not read ahead; "connecting" is one that hangs up after
// each mail; "rsa" (2,048 bits) and "ed25519" sign with DKIM.
func BenchmarkSend(b *testing.B) {
	for _, kind := range []string{"pipelined", "sequential", "connecting", "rsa", "ed25519"} {
		b.Run(kind, func(b *testing.B) {
			c := openToMeasure(b, kind)
			var sending sync.WaitGroup
			ids := make(chan int)
			for range concurrency {
				sending.Go(func() {
					for id := range ids {
						if err := c.Send(b.Context(), delivery("job.fail", fmt.Sprint(id)), target()); err != nil {
							b.Error(err)
						}
						if kind == "connecting" {
							hangUp(c)
						}
					}
				})
			}
			b.ResetTimer()
			for id := range b.N {
				ids <- id
			}
			close(ids)
			sending.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
		})
	}
}

func openToMeasure(b *testing.B, kind string) *channel {
	b.Helper()
	inbox, err := farend.NewInbox(&farend.Log{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = inbox.Close() })
	config := Config{}
	if kind == "rsa" || kind == "ed25519" {
		config, _ = dkimConfig(b, kind)
	}
	config.URL, config.From = "smtp://"+inbox.Addr(), "notify@tocsin.example"
	config.PublicURL, config.LinkKey = "https://tocsin.example.com", linkKey
	opened, err := config.Open()
	require.NoError(b, err)
	c := opened.(*channel)
	dial := c.pool.dial
	c.pool.dial = func(ctx context.Context) (*session, error) {
		s, err := dial(ctx)
		if s != nil {
			s.pipelines = s.pipelines && kind != "sequential"
		}
		return s, err
	}
	return c
}

// BenchmarkWrite makes the text of a mail, without and with a signature, on one core.
func BenchmarkWrite(b *testing.B) {
	for _, kind := range []string{"unsigned", "rsa", "ed25519"} {
		c := openToMeasure(b, kind)
		b.Run(kind, func(b *testing.B) {
			for b.Loop() {
				_, err := c.writer.write(delivery("job.fail", "1"), target().Person, address)
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
		})
	}
}
