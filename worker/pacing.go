package worker

import (
	"context"
	"time"

	"go.uber.org/zap"

	"tocsin/channels"
	"tocsin/pace"
	"tocsin/prefs"
	"tocsin/schema"
)

// turn is what the pacer says of one delivery, and who goes along with it.
type turn struct {
	room    pace.Room
	verdict pace.Verdict
	also    []channels.Brief
	ids     []string // of also
}

// takeTurn asks whether the delivery's room takes a message now. Companions are
// asked about once more: who has opted out since, or moved to another room, is
// not mentioned, and who cannot be asked about comes on its own.
func (dl *Deliverer) takeTurn(stop, ctx context.Context, d schema.Delivery, r prefs.Resolution) (turn, error) {
	rate := dl.rate(r)
	if rate.Messages == 0 {
		return turn{verdict: pace.Verdict{Answer: pace.Send}}, nil
	}
	t := turn{room: pace.Room{Channel: d.Channel, Settings: r.Settings, Rate: pace.Rate(rate)}}
	if _, lists := dl.Channel.(channels.Digester); lists {
		t.room.Carry = channels.MostBriefs
	}
	err := patiently(stop, dl.Log, "ask for a message to a room", func() (err error) {
		t.verdict, err = dl.Pacer.Admit(ctx, t.room, d, channels.DeliveryLine(d))
		return err
	})
	for _, c := range t.verdict.Companions {
		wanted, err := dl.Targets.Resolve(ctx, c.Delivery(d.Channel))
		if err != nil || wanted.Suppressed != "" || !t.room.Has(wanted.Settings) {
			continue
		}
		kind, _ := schema.TypeNamed(c.Type)
		t.also = append(t.also, channels.Brief{Text: c.Line, Outcome: kind.Outcome, Time: c.Time})
		t.ids = append(t.ids, c.ID)
	}
	return t, err
}

func (dl *Deliverer) rate(r prefs.Resolution) channels.Rate {
	if dl.Spec.RateOf != nil {
		return dl.Spec.RateOf(r.Settings)
	}
	return dl.Spec.Rate
}

// speak makes the message that t allows.
func (dl *Deliverer) speak(ctx context.Context, d schema.Delivery, to channels.Target, t turn) error {
	if len(t.also) > 0 {
		return dl.Channel.(channels.Digester).SendDigest(ctx, d, t.also, to)
	}
	return dl.Channel.Send(ctx, d, to)
}

// told notes whom a message has mentioned. If that fails, they are told again.
func (dl *Deliverer) told(stop context.Context, d schema.Delivery, t turn) {
	if len(t.ids) == 0 {
		return
	}
	err := patiently(stop, dl.Log, "note what a message has told", func() error {
		return dl.Pacer.Told(context.WithoutCancel(stop), t.room, d.ID(), t.ids)
	})
	if err != nil {
		dl.Log.Warn("some will be told again", zap.Int("deliveries", len(t.ids)), zap.Error(err))
	}
}

// leaveAlone keeps the fleet away from a room that named a wait.
func (dl *Deliverer) leaveAlone(stop context.Context, t turn, wait time.Duration) {
	if wait <= 0 || t.room.Rate.Messages == 0 {
		return
	}
	if err := dl.Pacer.Close(context.WithoutCancel(stop), t.room, min(wait, maxNamedWait)); err != nil {
		dl.Log.Warn("cannot keep others away from a room", zap.Error(err))
	}
}
