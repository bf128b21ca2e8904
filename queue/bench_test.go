package queue

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/schema"
)

// BenchmarkWire is what each hop of a delivery pays, and each record.
func BenchmarkWire(b *testing.B) {
	d := sampleDelivery(b, "c1f3")
	msg := encode(schema.DeliverySubject(d.Channel), d)
	record := d.Record(schema.RecordDelivered, time.Now())
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			encode(msg.Subject, d)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := decode(msg.Header, msg.Data)
			require.NoError(b, err)
		}
	})
	b.Run("record", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			entry(record)
		}
	})
}
