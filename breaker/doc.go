// Package breaker keeps a fleet from spending itself on endpoints that do not
// work, and from holding up those that do.
//
// It knows two kinds of endpoints: a target, which is one user's URL or room,
// and the host at which many targets may be reached. Each has a State that the
// fleet shares through Redis:
//
//	closed      it works as far as anybody knows: attempts are made
//	open        it does not: nothing is sent to it until a moment that moves
//	            farther away each time
//	half-open   that moment has come, and one attempt of the whole fleet tries
//	recovering  the attempt was answered: the way is opened little by little
//
// How a state follows from another is pure (Policy.After, Claim). An endpoint
// that has never failed has the zero State and costs nothing to keep; one that
// fails is written when its state changes and not at every attempt.
//
// Beside it, and within one worker, a Gate bounds how many attempts an endpoint
// has in hand, so that one that hangs cannot hold them all.
package breaker
