package farend

import (
	"bufio"
	"net"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// apnsWriter is the writing half of a connection: one goroutine, so that
// frames that are ready together go out together.
type apnsWriter struct {
	mu      sync.Mutex
	ready   sync.Cond
	queue   []func(*http2.Framer) error
	ended   bool // nothing more is written
	drained bool // ended once the queue is empty
	window  int64
	block   []byte
	encoder *hpack.Encoder
}

func (w *apnsWriter) start(conn net.Conn) {
	w.window = 65535 // RFC 9113, 6.9.2
	w.encoder = hpack.NewEncoder(w)
	go w.run(conn)
}

func (w *apnsWriter) run(conn net.Conn) {
	defer conn.Close()
	out := bufio.NewWriterSize(conn, 16<<10)
	framer := http2.NewFramer(out, nil)
	for {
		queue := w.next()
		if queue == nil {
			return
		}
		for _, frames := range queue {
			if frames(framer) != nil {
				return
			}
		}
		if out.Flush() != nil {
			return
		}
	}
}

func (w *apnsWriter) next() []func(*http2.Framer) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) == 0 && !w.ended && !w.drained {
		w.ready.Wait()
	}
	if w.ended {
		return nil
	}
	queue := w.queue
	w.queue = nil
	return queue
}

func (w *apnsWriter) add(frames func(*http2.Framer) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, frames)
	w.ready.Signal()
}

func (w *apnsWriter) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.ready.Signal()
}

// finish closes the connection when all is written.
func (w *apnsWriter) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drained = true
	w.ready.Signal()
}

// encode is for frames being written.
func (w *apnsWriter) encode(fields []hpack.HeaderField) []byte {
	w.block = w.block[:0]
	for _, field := range fields {
		_ = w.encoder.WriteField(field) // into block, which takes everything
	}
	return w.block
}

// Write is for the encoder.
func (w *apnsWriter) Write(p []byte) (int, error) {
	w.block = append(w.block, p...)
	return len(p), nil
}

func (w *apnsWriter) firstWindow() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.window
}

func (w *apnsWriter) setFirstWindow(size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.window = size
}
