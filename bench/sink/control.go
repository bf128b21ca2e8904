package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Control is what a Client steers the server by. It listens beside the
// endpoints, so that they are counted alone.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /classes", func(w http.ResponseWriter, _ *http.Request) {
		all := map[string]Counts{}
		for name, c := range s.all() {
			all[name], _ = c.read()
		}
		writeJSON(w, all)
	})
	mux.HandleFunc("DELETE /classes", func(_ http.ResponseWriter, _ *http.Request) {
		for _, c := range s.all() {
			c.reset()
		}
	})
	mux.HandleFunc("GET /classes/{class}/latencies", func(w http.ResponseWriter, r *http.Request) {
		_, latencies := s.class(r.PathValue("class")).read()
		writeJSON(w, latencies)
	})
	mux.HandleFunc("PUT /classes/{class}", func(w http.ResponseWriter, r *http.Request) {
		var b Behaviour
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.class(r.PathValue("class")).behave(b)
	})
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who asked has gone
}

// Client steers a server in another process.
type Client struct {
	URL string // of Control
}

// Behave sets how a class answers from now on.
func (c Client) Behave(ctx context.Context, class string, b Behaviour) error {
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encode a behaviour: %w", err)
	}
	return c.call(ctx, http.MethodPut, "/classes/"+url.PathEscape(class), text, nil)
}

// Reset forgets what was counted. Behaviours stay.
func (c Client) Reset(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/classes", nil, nil)
}

// Counts reads what each class has seen.
func (c Client) Counts(ctx context.Context) (counts map[string]Counts, err error) {
	return counts, c.call(ctx, http.MethodGet, "/classes", nil, &counts)
}

// Latencies reads how long each delivery of a class was on its way, from the
// publication of its event to its first arrival, in the order of arrival.
func (c Client) Latencies(ctx context.Context, class string) (latencies []time.Duration, err error) {
	return latencies, c.call(ctx, http.MethodGet, "/classes/"+url.PathEscape(class)+"/latencies", nil, &latencies)
}

func (c Client) call(ctx context.Context, method, path string, body []byte, answer any) error {
	doing := fmt.Sprintf("ask the sink: %s %s", method, path)
	request, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(text))
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
