package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// gorush is the peer beside which pushes are measured: the same pushes, to the
// same APNs, by gorush as it is released. It keeps what waits in its memory, and
// what it has not sent when it dies is lost.
func gorush() Scenario {
	var api string // URL of its pushes
	return Scenario{
		Name:  "gorush",
		About: "the pushes of the scenario of that name by gorush, which keeps them in memory; needs gorush on the PATH",
		Slow:  true,
		Needs: "gorush",
		Prepare: func(ctx context.Context, s *Site) (err error) {
			if api, err = s.startGorush(ctx); err != nil {
				return err
			}
			return s.pushByGorush(ctx, api, s.size(5_000, 5_000)) // as ours is warmed up
		},
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			n, used, began := s.size(20_000, 100_000), Figures{}, time.Now()
			err := s.measure(used, n, func() error { return s.pushByGorush(ctx, api, n) })
			if err != nil {
				return nil, err
			}
			held, err := peak(s.processes["gorush"].cmd.Process.Pid)
			if err != nil {
				return nil, err
			}
			f := Figures{"memory gorush": float64(held) / 1e6}
			for _, name := range []string{"cpu gorush", "cpu sink", "cpu producer"} {
				f[name] = used[name]
			}
			return f, s.noteArrivals(ctx, f, n, "ios", began)
		},
	}
}

// gorushConfig has a queue for all that a run asks for, without which gorush turns
// pushes away, and as many pushes at a time as a worker of ours.
const gorushConfig = `
core:
  address: "127.0.0.1"
  port: "%s"
  worker_num: 256
  queue_num: 120000
  max_notification: 100
  http_proxy: "%s"
android:
  enabled: false
ios:
  enabled: true
  key_path: "%s"
  key_type: "p8"
  key_id: "%s"
  team_id: "%s"
  max_concurrent_pushes: 256
log:
  access_level: "error"
`

// startGorush returns the URL of its API. It knows no other push service than
// Apple's, but takes a proxy, which leads to ours.
func (s *Site) startGorush(ctx context.Context) (api string, err error) {
	proxy, err := s.startProxy(ctx)
	if err != nil {
		return "", err
	}
	port, err := freePort(ctx)
	if err != nil {
		return "", err
	}
	keys, config := s.at.Keys, filepath.Join(s.dir, "gorush.yml")
	text := fmt.Sprintf(gorushConfig, port, proxy, keys.KeyFile, keys.KeyID, keys.TeamID)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("configure gorush: %w", err)
	}
	p, err := s.run(ctx, "gorush", "env", "SSL_CERT_FILE="+keys.CAFile, "gorush", "-c", config)
	if err != nil {
		return "", err
	}
	go p.discard(p.said)
	api = "http://127.0.0.1:" + port
	return api + "/api/push", p.comesUp("gorush", port, func() bool { return answers(ctx, api+"/healthz") })
}

func answers(ctx context.Context, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// startProxy leads every CONNECT (RFC 9110, section 9.3.6) to the sink's APNs.
func (s *Site) startProxy(ctx context.Context) (address string, err error) {
	apns, err := url.Parse(s.at.APNs)
	if err != nil {
		return "", fmt.Errorf("read the address of the push service: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen as a proxy: %w", err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		there, err := (&net.Dialer{}).DialContext(ctx, "tcp", apns.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		here, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = there.Close()
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
		join(here, buffered.Reader, there)
	})}
	go func() { _ = server.Serve(listener) }() // until it is closed
	s.onClose(func() { _ = server.Close() })
	return "http://" + listener.Addr().String(), nil
}

// join carries bytes both ways until either end is closed.
func join(here net.Conn, from io.Reader, there net.Conn) {
	go func() {
		_, _ = io.Copy(there, from)
		_ = there.Close()
	}()
	_, _ = io.Copy(here, there)
	_ = here.Close()
}

// pushByGorush returns when n pushes have arrived.
func (s *Site) pushByGorush(ctx context.Context, api string, n int) error {
	if err := s.sink.Reset(ctx); err != nil {
		return err
	}
	if err := s.requestPushes(ctx, api, n); err != nil {
		return err
	}
	_, err := s.arrived(ctx, n, "ios")
	return err
}

// requestPushes asks gorush for n pushes, a hundred in a request, as an event for
// a hundred members asks us.
func (s *Site) requestPushes(ctx context.Context, api string, n int) error {
	const each = 100
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(publishers)
	for first := 0; first < n; first += each {
		group.Go(func() error { return ask(ctx, api, s.gorushPushes(min(each, n-first))) })
	}
	return group.Wait()
}

// gorushPush is a notification of gorush's API.
type gorushPush struct {
	Tokens   []string       `json:"tokens"`
	Platform int            `json:"platform"` // 1: iOS
	ApnsID   string         `json:"apns_id"`
	Topic    string         `json:"topic"`
	PushType string         `json:"push_type"`
	Title    string         `json:"title"`
	Message  string         `json:"message"`
	ThreadID string         `json:"thread-id"`
	Data     map[string]any `json:"data"`
}

// gorushPushes are n pushes to devices of their own.
func (s *Site) gorushPushes(n int) []gorushPush {
	pushes, last := make([]gorushPush, n), s.published.Add(int64(n))
	for i := range pushes {
		pushes[i] = gorushPush{
			Tokens: []string{fmt.Sprintf("%064x", i+1)}, Platform: 1, Topic: s.at.Keys.Topic, PushType: "alert",
			ApnsID: fmt.Sprintf("00000000-0000-4000-8000-%012x", last-int64(i)),
			Title:  "Harbour was redeployed", Message: "Environment: production", ThreadID: "stack/5999b763",
			Data: map[string]any{"type": sampleType, "account": "ios-0", "time": time.Now().UTC().Format(time.RFC3339)},
		}
	}
	return pushes
}

func ask(ctx context.Context, api string, pushes []gorushPush) error {
	body, err := json.Marshal(map[string]any{"notifications": pushes})
	if err != nil {
		return fmt.Errorf("encode pushes: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, api, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask gorush for pushes: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask gorush for pushes: %w", err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return errors.Join(err, fmt.Errorf("gorush answered %s: %.200s", response.Status, said))
	}
	return nil
}
