// Package bench measures a fleet: the real worker, nats-server and redis-server
// as processes, a producer, and far ends in a process of their own.
//
// The figure that counts is CPU: seconds of processor time for 1,000
// deliveries, by process, as the operating system accounts it. It depends far
// less than deliveries per second on what else the machine does. Beside it
// stands what the same POSTs cost a plain net/http loop in the same minute.
//
// Every run also counts. A result in which a delivery is missing is an error
// and not a figure.
package bench
