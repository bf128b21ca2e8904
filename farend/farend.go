// Package farend holds local stand-ins for the services that notifications
// end at: a mail server, APNs, a HipChat server, a Slack-compatible chat server
// and a webhook receiver. They speak the documented protocols strictly and
// refuse what the real ones would refuse, so that tests and `tocsin dev` can
// trust them. Each records what it was sent in a Log.
package farend

import (
	"slices"
	"sync"
	"time"
)

// Received is one thing that a far end was sent, and what it answered.
type Received struct {
	Seq      int       `json:"seq"` // position in the Log, from 1
	At       time.Time `json:"at"`
	Channel  string    `json:"channel"`  // "email", "ios", "hipchat", "slack", "webhook"
	Delivery string    `json:"delivery"` // the delivery id, read from where the protocol carries it
	To       string    `json:"to"`       // address, device token, room or path
	Title    string    `json:"title"`    // subject, alert title, first line of the message, or event type
	Text     string    `json:"text"`     // the readable body; JSON as sent for ios and webhook
	HTML     string    `json:"html"`     // the HTML part of a mail, the message of a room
	Raw      string    `json:"raw"`      // headers and body as they came
	Status   string    `json:"status"`   // what the far end answered: "250", "200", "503", "410 Unregistered"
}

// size is about how many bytes it takes to remember r.
func (r Received) size() int { return len(r.Text) + len(r.HTML) + len(r.Raw) + 512 }

// Log remembers what far ends received, newest last, and tells who listens.
// The zero value is ready.
type Log struct {
	// MaxBytes bounds what is remembered: the oldest is forgotten, and numbers
	// go on. 0 forgets nothing. It is set before the first use.
	MaxBytes int

	mu       sync.Mutex
	received []Received
	last     int // Seq of the newest
	bytes    int
	changed  chan struct{} // closed and replaced whenever received grows
}

// Record appends r and gives it its Seq.
func (l *Log) Record(r Received) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	r.Seq = l.last
	l.received = append(l.received, r)
	l.bytes += r.size()
	l.forget()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// forget keeps to MaxBytes, but for the newest.
func (l *Log) forget() {
	for l.MaxBytes > 0 && l.bytes > l.MaxBytes && len(l.received) > 1 {
		l.bytes -= l.received[0].size()
		l.received[0] = Received{} // the array behind it lives on for a while
		l.received = l.received[1:]
	}
}

// Last is how many things were received, and so the Seq of the newest.
func (l *Log) Last() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Since returns what is remembered of all that was received after the first n
// things, and a channel that is closed as soon as there is more.
func (l *Log) Since(n int) ([]Received, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	forgotten := l.last - len(l.received)
	seen := min(max(n-forgotten, 0), len(l.received))
	return slices.Clone(l.received[seen:]), l.changed
}

// Deliveries lists the delivery ids of all that is remembered, oldest first;
// empty ones where the protocol carries none.
func (l *Log) Deliveries() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]string, 0, len(l.received))
	for _, r := range l.received {
		ids = append(ids, r.Delivery)
	}
	return ids
}
