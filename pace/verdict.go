package pace

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// readVerdict reads the admit script's reply: "send", microseconds of the
// clock, id, record, id, record …; "wait", microseconds; or "told", id.
func readVerdict(reply []any) (Verdict, error) {
	if len(reply) < 2 {
		return Verdict{}, fmt.Errorf("read the verdict on a message to a room: %d parts", len(reply))
	}
	kind, _ := reply[0].(string)
	v := Verdict{Answer: Answer(kind)}
	switch v.Answer {
	case Send:
		v.At = time.UnixMicro(number(reply[1]))
		return v, v.readCompanions(reply[2:])
	case Wait:
		v.Wait = time.Duration(number(reply[1])) * time.Microsecond
	case Told:
		v.By, _ = reply[1].(string)
	default:
		return Verdict{}, fmt.Errorf("read the verdict on a message to a room: it is %q", kind)
	}
	return v, nil
}

func number(part any) int64 {
	n, _ := part.(int64)
	return n
}

func (v *Verdict) readCompanions(parts []any) error {
	for ; len(parts) >= 2; parts = parts[2:] {
		record, _ := parts[1].(string)
		var c Companion
		if err := json.Unmarshal([]byte(record), &c); err != nil {
			return fmt.Errorf("read a waiting delivery: %w", err)
		}
		c.ID, _ = parts[0].(string)
		v.Companions = append(v.Companions, c)
	}
	slices.SortStableFunc(v.Companions, func(a, b Companion) int { return a.Time.Compare(b.Time) })
	return nil
}
