package schema

import "strings"

// traceParentLength is that of the only form that there is yet: version, trace,
// span and flags in lower-case hexadecimal, "00-…-…-01" (W3C Trace Context
// section 3.2.2).
const traceParentLength = 2 + 1 + 32 + 1 + 16 + 1 + 2

// traceParentOf is the trace that an event belongs to: by its attribute, of the
// CloudEvents extension for distributed tracing, or by the header that libraries
// for NATS set by themselves. One that is malformed counts as none, as the W3C
// asks for: an event is not refused for its trace.
func traceParentOf(attribute string, h Header) string {
	if IsTraceParent(attribute) {
		return attribute
	}
	for name, values := range h {
		if strings.EqualFold(name, "traceparent") && len(values) > 0 && IsTraceParent(values[0]) {
			return values[0]
		}
	}
	return ""
}

// IsTraceParent reports whether s has the form of a traceparent of version 00,
// in which neither trace nor span is all zeros.
func IsTraceParent(s string) bool {
	if len(s) != traceParentLength || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return false
	}
	trace, span, flags := s[3:35], s[36:52], s[53:]
	return isHex(trace) && isHex(span) && isHex(flags) && strings.Trim(trace, "0") != "" && strings.Trim(span, "0") != ""
}

func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}

// Trace is the id of the trace that the event belongs to, or empty.
func (e Event) Trace() string {
	if e.TraceParent == "" {
		return ""
	}
	return e.TraceParent[3:35]
}
