// Package sink is the far end of a benchmark: a webhook receiver, an APNs and a
// mail server in a process of their own, which count what arrives and measure
// how long it was on its way.
//
// A webhook's path is /CLASS/ANYTHING. A class is a set of endpoints that
// behave alike and are counted together: one that answers at once, one that
// takes 5 ms, one that hangs. What APNs and the mail server receive is counted
// in the classes "ios" and "email".
package sink
