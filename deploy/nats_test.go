// Package deploy holds nothing but tests of the files beside it.
package deploy

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"tocsin/servertest"
)

// What each user of NATS may publish to, JetStream's API among it, and listen on.
func TestUsersOfNATSMayDoTheirPartAlone(t *testing.T) {
	t.Parallel()
	type rules struct{ publish, noPublish, listen, noListen []string }
	g := servertest.StartGuarded(t, 1)
	for user, may := range map[string]rules{
		"producer": {
			publish: []string{"tocsin.events.job.fail"},
			noPublish: []string{
				"tocsin.deliveries.webhook", "tocsin.dead.webhook.job.fail", "tocsin.ledger.acme.ada", "tocsin.audit.ada", "tocsin.fleet.w1",
				"$JS.API.INFO", "$JS.API.STREAM.INFO.TOCSIN_EVENTS", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.PURGE.TOCSIN_EVENTS",
				"$JS.API.DIRECT.GET.TOCSIN_EVENTS", "$JS.API.STREAM.MSG.GET.TOCSIN_EVENTS", "$JS.API.CONSUMER.CREATE.TOCSIN_EVENTS.spy",
				"$KV.TOCSIN_REPLAYS.r1", "_INBOX_worker.x", "other",
			},
			listen:   []string{"_INBOX.x.*"},
			noListen: []string{">", "tocsin.>", "tocsin.events.>", "_INBOX_worker.>", "_INBOX_web.>", "$JS.>", "*.>"},
		},
		"worker": {
			publish: []string{
				"tocsin.deliveries.webhook", "tocsin.retries.5s.webhook", "tocsin.dead.webhook.job.fail", "tocsin.ledger.acme.ada", "tocsin.fleet.w1",
				"$JS.API.INFO", "$JS.API.STREAM.INFO.TOCSIN_EVENTS", "$JS.API.CONSUMER.CREATE.TOCSIN_EVENTS.router.tocsin.events.>",
				"$JS.API.CONSUMER.MSG.NEXT.TOCSIN_DELIVERIES.webhook", "$JS.ACK.TOCSIN_RETRIES.webhook.1.2.3.4.5",
			},
			noPublish: []string{
				"tocsin.events.job.fail", "tocsin.audit.ada", "$KV.TOCSIN_REPLAYS.r1", "other",
				"$JS.API.STREAM.CREATE.TOCSIN_EVENTS", "$JS.API.STREAM.UPDATE.TOCSIN_EVENTS", "$JS.API.STREAM.DELETE.TOCSIN_EVENTS",
				"$JS.API.STREAM.PURGE.TOCSIN_DELIVERIES", "$JS.API.STREAM.MSG.DELETE.TOCSIN_DEAD", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST",
				"$JS.API.STREAM.CREATE.OTHER", "$JS.API.STREAM.INFO.OTHER", "$JS.API.CONSUMER.CREATE.OTHER.x", "$JS.API.CONSUMER.MSG.NEXT.OTHER.x",
				"$JS.API.CONSUMER.CREATE.TOCSIN_LEDGER.x", "$JS.API.DIRECT.GET.TOCSIN_LEDGER", "$JS.API.DIRECT.GET.TOCSIN_DEAD",
				"$JS.API.CONSUMER.DELETE.TOCSIN_DELIVERIES.webhook", "$KV.TOCSIN_PAUSES.webhook",
			},
			listen:   []string{"_INBOX_worker.x.*"},
			noListen: []string{">", "tocsin.>", "tocsin.deliveries.>", "_INBOX.>", "_INBOX_web.>", "_INBOX_operator.>", "$JS.>"},
		},
		"web": {
			publish: []string{
				"tocsin.events.job.fail", "tocsin.deliveries.webhook", "tocsin.ledger.acme.ada", "tocsin.audit.ada", "tocsin.fleet.w1",
				"$JS.API.INFO", "$JS.API.DIRECT.GET.TOCSIN_LEDGER", "$JS.API.DIRECT.GET.TOCSIN_DEAD", "$JS.API.DIRECT.GET.TOCSIN_FLEET",
				"$JS.API.STREAM.MSG.DELETE.TOCSIN_DEAD", "$JS.API.CONSUMER.PAUSE.TOCSIN_DELIVERIES.webhook",
				"$KV.TOCSIN_REPLAYS.r1", "$JS.API.STREAM.CREATE.KV_TOCSIN_REPLAYS", "$KV.TOCSIN_PAUSES.webhook",
			},
			noPublish: []string{
				"tocsin.retries.5s.webhook", "tocsin.dead.webhook.job.fail", "other",
				"$JS.API.CONSUMER.MSG.NEXT.TOCSIN_DELIVERIES.webhook", "$JS.API.CONSUMER.CREATE.TOCSIN_DELIVERIES.x",
				"$JS.API.CONSUMER.DELETE.TOCSIN_DELIVERIES.webhook", "$JS.ACK.TOCSIN_DELIVERIES.webhook.1.2.3.4.5",
				"$JS.API.STREAM.CREATE.TOCSIN_EVENTS", "$JS.API.STREAM.DELETE.TOCSIN_DEAD", "$JS.API.STREAM.PURGE.TOCSIN_DEAD",
				"$JS.API.STREAM.MSG.DELETE.TOCSIN_LEDGER", "$JS.API.STREAM.MSG.DELETE.TOCSIN_AUDIT", "$JS.API.STREAM.PURGE.TOCSIN_AUDIT",
				"$JS.API.DIRECT.GET.OTHER", "$JS.API.STREAM.CREATE.OTHER", "$KV.OTHER.x",
			},
			listen:   []string{"_INBOX_web.x.*"},
			noListen: []string{">", "tocsin.>", "_INBOX.>", "_INBOX_worker.>", "_INBOX_operator.>", "$JS.>"},
		},
		"operator": {
			publish: []string{
				"tocsin.events.job.fail", "$JS.API.STREAM.CREATE.TOCSIN_EVENTS", "$JS.API.STREAM.UPDATE.TOCSIN_EVENTS",
				"$JS.API.STREAM.PURGE.OTHER", "$KV.TOCSIN_REPLAYS.r1",
			},
			noPublish: []string{"$SYS.REQ.SERVER.PING", "_INBOX_worker.x", "other"},
			listen:    []string{"_INBOX_operator.x.*", "tocsin.ledger.>"},
			noListen:  []string{">", "_INBOX.>", "_INBOX_worker.>", "$SYS.>"},
		},
	} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, g, user)
			publish := func(subject string) error { return conn.Publish(subject, nil) }
			listen := func(subject string) error {
				sub, err := conn.SubscribeSync(subject)
				if err == nil {
					defer sub.Unsubscribe() //nolint:errcheck // gone with the connection
				}
				return conn.Flush()
			}
			for _, subject := range may.publish {
				require.Empty(t, objection(t, conn, publish, subject), "publish %s", subject)
			}
			for _, subject := range may.noPublish {
				require.Contains(t, objection(t, conn, publish, subject), "Permissions Violation for Publish", "publish %s", subject)
			}
			for _, subject := range may.listen {
				require.Empty(t, objection(t, conn, listen, subject), "listen on %s", subject)
			}
			for _, subject := range may.noListen {
				require.Contains(t, objection(t, conn, listen, subject), "Permissions Violation for Subscription", "listen on %s", subject)
			}
		})
	}
}

func TestNobodyEntersNATSWithoutAPassword(t *testing.T) {
	t.Parallel()
	g := servertest.StartGuarded(t, 1)
	for _, user := range []nats.Option{nil, nats.UserInfo("worker", ""), nats.UserInfo("worker", "wrong"), nats.UserInfo("admin", "admin")} {
		_, err := nats.Connect(g.NATS.URL(), nats.RootCAs(g.CA), nats.MaxReconnects(0), orNothing(user))
		require.ErrorIs(t, err, nats.ErrAuthorization)
	}
}

func orNothing(o nats.Option) nats.Option {
	if o == nil {
		return func(*nats.Options) error { return nil }
	}
	return o
}

func connect(t *testing.T, g *servertest.Guarded, user string) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(g.NATSURL(user), nats.RootCAs(g.CA), nats.Timeout(10*time.Second),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

// objection is what the server has against doing something, and empty if it has
// nothing against it. It says so before it answers the flush.
func objection(t *testing.T, conn *nats.Conn, do func(string) error, subject string) string {
	t.Helper()
	before := conn.LastError()
	require.NoError(t, do(subject))
	require.NoError(t, conn.Flush())
	if err := conn.LastError(); err != nil && err != before { //nolint:errorlint // the same one, or a new one
		return err.Error()
	}
	return ""
}
