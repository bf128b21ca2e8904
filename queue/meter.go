package queue

// Routing stands where a channel can, for events on their way to be routed.
const Routing = "route"

// Meter counts what a pool has in hand and what it buries, for each channel and
// for Routing. It is asked once for each of them; what it gives is called for
// every message, from many goroutines, and must cost next to nothing.
type Meter interface {
	// Slots says that so many more messages of the channel can be in hand at a
	// time.
	Slots(channel string, more int)
	// Hands gives what is told how many more messages are in hand, and of each
	// dead letter that is stored.
	Hands(channel string) (inHand func(more int), buried func(Cause))
}

// laneMeter is a Meter for one channel.
type laneMeter struct {
	opened func(slots int)
	inHand func(more int)
	buried func(Cause)
}

func (p *Pool) laneMeter(channel string) laneMeter {
	if p.Meter == nil {
		return laneMeter{func(int) {}, func(int) {}, func(Cause) {}}
	}
	inHand, buried := p.Meter.Hands(channel)
	return laneMeter{func(slots int) { p.Meter.Slots(channel, slots) }, inHand, buried}
}
