// Package worker turns events into deliveries and deliveries into outcomes.
//
// It has two stages. The Router reads an event, asks the preferences who wants
// it where, and publishes one delivery for each target. A Deliverer reads the
// target's settings, makes one attempt, and decides what the answer means:
// done, another attempt later, or a dead letter. Both are stateless and decide
// nothing on preferences that they could not read: while Redis or NATS is away
// they hold what they have in hand, which stops them from pulling more, and go
// on when it is back.
package worker
