package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	barePosts    = 10_000
	bareInFlight = 256
)

// bare notes what the POSTs alone cost, with nothing before and behind them: a
// loop of net/http sends bodies and headers of the same size to the same sink.
// The rest of what a delivery costs is what the fleet is for.
func (s *Site) bare(ctx context.Context, f Figures) error {
	client := &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: bareInFlight},
		Timeout:   15 * time.Second,
	}
	defer client.CloseIdleConnections()
	before, err := cpu(os.Getpid())
	if err != nil {
		return err
	}
	slots := make(chan struct{}, bareInFlight)
	failed := make(chan error, barePosts)
	for i := range barePosts {
		slots <- struct{}{}
		go func() {
			failed <- s.post(ctx, client, i)
			<-slots
		}()
	}
	for range barePosts {
		if err := <-failed; err != nil {
			return fmt.Errorf("post without a fleet: %w", err)
		}
	}
	after, err := cpu(os.Getpid())
	if err != nil {
		return err
	}
	f["bare"] = (after - before).Seconds() * 1000 / barePosts
	f["ratio"] = f["cpu"] / f["bare"]
	return nil
}

func (s *Site) post(ctx context.Context, client *http.Client, i int) error {
	url := s.endpoint("bare", i%1000)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body(time.Now())))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "tocsin-bench")
	request.Header.Set("Webhook-Id", "5b0c2f5e-6ad4-5d8b-9c0e-1f6a7b8c"+strconv.Itoa(1000+i%9000))
	request.Header.Set("Webhook-Timestamp", "1767225600")
	request.Header.Set("Webhook-Signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
