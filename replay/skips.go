package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tocsin/schema"
)

// skipTexts are the words for what is no rule.
var skipTexts = map[string]string{
	SkipDelivered: "delivered already",
	SkipWaiting:   "waiting for an attempt",
	SkipInvalid:   "not valid: see its dead letter",
}

// String says why how many are skipped, the most first.
func (s Skips) String() string {
	whys := slices.Sorted(maps.Keys(s))
	slices.SortStableFunc(whys, func(a, b string) int { return s[b] - s[a] })
	texts := make([]string, len(whys))
	for i, why := range whys {
		text, known := skipTexts[why]
		if !known {
			text = schema.Rule(why).String()
		}
		texts[i] = fmt.Sprintf("%d %s", s[why], text)
	}
	return strings.Join(texts, ", ")
}
