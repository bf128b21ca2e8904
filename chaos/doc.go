// Package chaos breaks a fleet and counts what becomes of its deliveries. It
// holds nothing but tests: the real worker, nats-server and redis-server as
// processes, a proxy on every connection, far ends that keep records of their
// own, and faults under load in an order and at times that a seed decides.
//
// After every fault the judge asks the ledger's audit and the far ends about
// each event, user and channel: delivered, suppressed with a reason, or dead.
// Nothing may be missing, nothing may wait for ever, no process may stay busy,
// and what arrived more than once is counted.
//
//	make chaos                      every fault, in minutes; prints a table
//	make chaos CHAOS='-seed 7'      another order and other times
//	go test ./chaos                 the short form: several faults in one run
package chaos
