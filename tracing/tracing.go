// Package tracing sends spans to an OpenTelemetry collector, by OTLP over HTTP.
//
// Everything beyond the endpoint is set by OpenTelemetry's own variables, which
// its library reads: OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT, _CERTIFICATE and
// _COMPRESSION, OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
// and OTEL_BSP_*.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options say where spans go, and what they say of this process.
type Options struct {
	Endpoint string // base URL of a collector; empty: nowhere
	Version  string
	Role     string // "worker"

	// Failed is told when spans could not be sent. OpenTelemetry has one such
	// function for a process.
	Failed func(error)
}

// lastWord is how long a process that stops waits for the collector to take what
// it has not sent yet.
const lastWord = 3 * time.Second

// Start begins to send spans, in batches and beside the work: a collector that is
// slow or away costs spans and holds up nothing. Without an endpoint the tracer
// is nil. stop sends what is left.
func Start(ctx context.Context, o Options) (tracer trace.Tracer, stop func(), err error) {
	if o.Endpoint == "" {
		return nil, func() {}, nil
	}
	base, err := url.Parse(o.Endpoint)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, nil, errors.New("that is no http:// or https:// URL of a collector") // the cause may quote a password
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(base.JoinPath("v1", "traces").String()))
	if err != nil {
		return nil, nil, fmt.Errorf("prepare to send traces: %w", err)
	}
	if o.Failed != nil {
		otel.SetErrorHandler(otel.ErrorHandlerFunc(o.Failed))
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(o.resource(ctx)))
	return provider.Tracer("tocsin", trace.WithInstrumentationVersion(o.Version)), func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
		defer cancel()
		_ = provider.Shutdown(last) // nobody is left to whom it matters
	}, nil
}

// resource is what all spans say of this process. The operator's variables have
// the last word.
func (o Options) resource(ctx context.Context) *resource.Resource {
	ours := resource.NewSchemaless(
		attribute.String("service.name", "tocsin-"+o.Role),
		attribute.String("service.version", o.Version),
	)
	found, err := resource.New(ctx, resource.WithHost(), resource.WithProcessPID(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil && found == nil {
		return ours
	}
	merged, err := resource.Merge(ours, found)
	if err != nil {
		return ours
	}
	return merged
}
