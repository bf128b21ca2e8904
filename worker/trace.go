package worker

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"tocsin/channels"
	"tocsin/schema"
)

// An event's trace comes from its producer. Routing is a span below the
// producer's, each attempt one below that of routing, and what the far end does
// is below the attempt's. Attributes of spans are named by OpenTelemetry's
// semantic conventions where these have a name.

// traceRouting begins the span of an event that is routed. The event that it
// gives carries that span, and so do the deliveries that are made of it.
func (r *Router) traceRouting(ctx context.Context, e schema.Event) (context.Context, schema.Event, func(ending string, members int, err error)) {
	if r.Tracer == nil {
		return ctx, e, func(string, int, error) {}
	}
	ctx, span := r.Tracer.Start(within(ctx, e), "route "+e.Type,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			attribute.String("messaging.system", "nats"),
			attribute.String("messaging.operation.type", "process"),
			attribute.String("messaging.destination.name", schema.EventSubject(e.Type)),
			attribute.String("cloudevents.event_id", e.ID),
			attribute.String("cloudevents.event_source", e.Source),
			attribute.String("cloudevents.event_type", e.Type),
			attribute.String("tocsin.account", e.Account),
		))
	e.TraceParent = traceParentOf(span)
	return ctx, e, func(ending string, members int, err error) {
		span.SetAttributes(attribute.String("tocsin.outcome", ending), attribute.Int("tocsin.members", members))
		finish(span, err)
	}
}

// traceAttempt begins the span of an attempt. The delivery that it gives is for
// the far end's eyes: it carries that span.
func (dl *Deliverer) traceAttempt(ctx context.Context, d schema.Delivery) (context.Context, schema.Delivery, func(error)) {
	if dl.Tracer == nil {
		return ctx, d, func(error) {}
	}
	ctx, span := dl.Tracer.Start(within(ctx, d.Event), "deliver "+d.Channel,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
			attribute.String("cloudevents.event_id", d.Event.ID),
			attribute.String("cloudevents.event_source", d.Event.Source),
			attribute.String("cloudevents.event_type", d.Event.Type),
			attribute.String("tocsin.account", d.Event.Account),
			attribute.String("tocsin.user", d.User),
			attribute.String("tocsin.channel", d.Channel),
			attribute.String("tocsin.delivery", d.ID()),
			attribute.Int("tocsin.attempt", d.Attempts+1),
		))
	d.Event.TraceParent = traceParentOf(span)
	return ctx, d, func(err error) {
		if err != nil {
			f := channels.FailureOf(err)
			span.SetAttributes(attribute.String("error.type", classOf(f)), attribute.String("tocsin.status", f.Status))
		}
		finish(span, err)
	}
}

func finish(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, brief(err.Error()))
	}
	span.End()
}

// within makes what begins under ctx belong to the event's trace.
func within(ctx context.Context, e schema.Event) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceParent: e.TraceParent})
}

func traceParentOf(span trace.Span) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpan(context.Background(), span), carrier)
	return carrier[traceParent]
}

// traceParent is a header of the W3C's Trace Context.
const traceParent = "traceparent"

// traceField leads from a line in the log to the trace.
func traceField(e schema.Event) zap.Field {
	if id := e.Trace(); id != "" {
		return zap.String("trace", id)
	}
	return zap.Skip()
}
