// Package queue is the only one that speaks JetStream. It owns the streams,
// hands out events and deliveries, and settles each by the outcome that its
// handler returns.
//
// A message in hand is in exactly one goroutine, which holds a slot of its
// lane. A lane pulls no more messages than it has free slots, so none ages
// unseen in a client buffer, and each message in hand is kept alive by
// heartbeats however long its handler takes. A process that dies stops its
// heartbeats, and after AckWait the message goes to another worker.
//
// A delivery that must wait is parked in the stream TOCSIN_RETRIES under one
// of a few fixed waits. Everything under one wait waits equally long, so the
// head of each is the next one due, and only MaxAckPending messages of it are
// ever in the server's consumer state: a million parked deliveries cost the
// disk they lie on. A wait longer than any of the fixed ones, or between two
// of them, is made of several hops: a hierarchical timing wheel of streams.
//
// Publishing what comes next (a parked delivery, a dead letter) and
// acknowledging what came before are two steps. The first carries an
// idempotency key that is a function of delivery, attempt and hop, so a crash
// between the two stores nothing twice within the duplicate window.
package queue
