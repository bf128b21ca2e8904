package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/tracing"
)

type natsFlags struct {
	NATSURL   string `name:"nats-url" env:"TOCSIN_NATS_URL" default:"nats://127.0.0.1:4222" placeholder:"URL" help:"NATS server, or several by comma (${default}). tls:// asks for TLS."`
	NATSCreds string `name:"nats-creds" env:"TOCSIN_NATS_CREDS" type:"path" placeholder:"FILE" help:"NATS credentials file."`
	NATSCA    string `name:"nats-ca" env:"TOCSIN_NATS_CA" type:"path" placeholder:"FILE" help:"Authority that signed the NATS server's certificate (PEM)."`
	NATSCert  string `name:"nats-cert" env:"TOCSIN_NATS_CERT" type:"path" placeholder:"FILE" help:"Certificate to show to the NATS server (PEM)."`
	NATSKey   string `name:"nats-key" env:"TOCSIN_NATS_KEY" type:"path" placeholder:"FILE" help:"Key of that certificate (PEM)."`
	NATSInbox string `name:"nats-inbox" env:"TOCSIN_NATS_INBOX" default:"_INBOX" placeholder:"TOKEN" help:"Where NATS answers this process (${default}); one of its own keeps the answers from users who may read others'."`

	Partitions int `name:"partitions" env:"TOCSIN_PARTITIONS" default:"1" placeholder:"N" help:"Streams that share the deliveries, by account (${default}): the same number in the whole fleet. See 'Partitions' in docs/operations.md before you change it."`
}

// connect opens the queue. A daemon waits for a server that is not there yet.
func (f natsFlags) connect(patient bool, log *zap.Logger) (*queue.Queue, error) {
	if f.Partitions < 1 || f.Partitions > queue.MaxPartitions {
		return nil, misuse{fmt.Errorf("TOCSIN_PARTITIONS is %d: it must be from 1 to %d", f.Partitions, queue.MaxPartitions)}
	}
	return queue.Connect(queue.Options{
		URL: f.NATSURL, Creds: f.NATSCreds, CA: f.NATSCA, Cert: f.NATSCert, Key: f.NATSKey, Inbox: f.NATSInbox, Partitions: f.Partitions,
		Name: "tocsin " + version(), Patient: patient, Log: log,
	})
}

// reach connects for a command that a person waits for.
func (f natsFlags) reach(log *zap.Logger) (*queue.Queue, error) {
	q, err := f.connect(false, log)
	if _, mistyped := errors.AsType[misuse](err); mistyped {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w (is TOCSIN_NATS_URL right, and is the server up?)", err)
	}
	return q, nil
}

// ready is reach, and sees that the streams are there.
func (f natsFlags) ready(ctx context.Context, log *zap.Logger) (*queue.Queue, error) {
	q, err := f.reach(log)
	if err != nil {
		return nil, err
	}
	if err := q.Setup(ctx, 0); err != nil {
		q.Close()
		return nil, err
	}
	return q, nil
}

type redisFlags struct {
	RedisURL  string `name:"redis-url" env:"TOCSIN_REDIS_URL" default:"redis://127.0.0.1:6379/0" placeholder:"URL" help:"Redis with the preferences (${default}). rediss:// asks for TLS; see the documentation for cluster and sentinel."`
	RedisCA   string `name:"redis-ca" env:"TOCSIN_REDIS_CA" type:"path" placeholder:"FILE" help:"Authority that signed the Redis server's certificate (PEM)."`
	RedisCert string `name:"redis-cert" env:"TOCSIN_REDIS_CERT" type:"path" placeholder:"FILE" help:"Certificate to show to the Redis server (PEM)."`
	RedisKey  string `name:"redis-key" env:"TOCSIN_REDIS_KEY" type:"path" placeholder:"FILE" help:"Key of that certificate (PEM)."`
}

// client does not connect; the first command does.
func (f redisFlags) client() (redis.UniversalClient, error) {
	client, err := prefs.OpenTLS(f.RedisURL, prefs.Certificates{CA: f.RedisCA, Cert: f.RedisCert, Key: f.RedisKey})
	if err != nil {
		return nil, fmt.Errorf("TOCSIN_REDIS_URL: %w", err)
	}
	return client, nil
}

type prefsFlags struct {
	Redis      redisFlags `embed:""`
	SecretsKey string     `name:"secrets-key" env:"TOCSIN_SECRETS_KEY" placeholder:"BASE64" help:"Key that encrypts channel credentials: base64 of 32 bytes, as 'openssl rand -base64 32' makes it. Several by comma: the first encrypts, all decrypt."`
}

// open makes the preference store. It does not wait for Redis to be there.
func (f prefsFlags) open() (*prefs.Store, redis.UniversalClient, error) {
	keys, err := prefs.ParseKeys(f.SecretsKey)
	if err != nil {
		return nil, nil, fmt.Errorf("TOCSIN_SECRETS_KEY: %w", err)
	}
	client, err := f.Redis.client()
	if err != nil {
		return nil, nil, err
	}
	return prefs.NewStore(client, keys), client, nil
}

type logFlags struct {
	LogLevel  string `name:"log-level" env:"TOCSIN_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"Least level that is logged: ${enum} (${default})."`
	LogFormat string `name:"log-format" env:"TOCSIN_LOG_FORMAT" default:"${log_format}" enum:"json,console" placeholder:"FORMAT" help:"How lines are written: ${enum} (${default})."`
}

func (f logFlags) logger(w io.Writer) *zap.Logger {
	level, err := zapcore.ParseLevel(f.LogLevel)
	if err != nil {
		level = zapcore.InfoLevel
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	encoding.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(encoding)
	if f.LogFormat == "console" {
		encoding.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		encoding.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(encoding)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level))
}

type traceFlags struct {
	OTLPEndpoint string `name:"otlp-endpoint" env:"OTEL_EXPORTER_OTLP_ENDPOINT" placeholder:"URL" help:"Send OpenTelemetry traces to this collector, by OTLP over HTTP. Default: nowhere. The other variables of OpenTelemetry hold too."`
}

// start begins to send spans. Without an endpoint the tracer is nil.
func (f traceFlags) start(ctx context.Context, role string, log *zap.Logger) (tracer trace.Tracer, stop func(), err error) {
	tracer, stop, err = tracing.Start(ctx, tracing.Options{
		Endpoint: f.OTLPEndpoint, Version: version(), Role: role,
		Failed: func(err error) { log.Warn("traces are lost", zap.Error(err)) },
	})
	if err != nil {
		return nil, nil, misuse{fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)}
	}
	return tracer, stop, nil
}

type outputFlags struct {
	Output string `name:"output" short:"o" env:"TOCSIN_OUTPUT" default:"text" enum:"text,json" placeholder:"FORMAT" help:"How results are written: ${enum} (${default})."`
}

func (f outputFlags) json() bool { return f.Output == "json" }

// plural words a count: "1 dead letter", "3 dead letters".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, strings.TrimSuffix(noun, "s"))
}
