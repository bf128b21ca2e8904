package chaos

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"tocsin/servertest"
)

// Servers without room for what workers store.

// roomless is for how long there is no room.
const roomless = 8 * time.Second

// fullServer is a nats-server that is started with little room, and with more
// later.
func fullServer(s *site) {
	s.nats.Stop()
	s.nats.Limit("max_file_store: 1MB")
	s.nats.Start()
	time.Sleep(roomless)
	s.nats.Stop()
	s.nats.Limit()
	s.nats.Start()
}

// fullStreams are work queues that take nothing new, because their operator has
// bounded them. Events are stored as before.
func fullStreams(s *site) {
	s.boundStreams(1)
	time.Sleep(roomless)
	s.boundStreams(-1)
}

func (s *site) boundStreams(messages int64) {
	s.t.Helper()
	js := servertest.JetStream(s.t, s.natsURL())
	for _, name := range workQueues() {
		stream, err := js.Stream(s.t.Context(), name)
		require.NoError(s.t, err)
		config := stream.CachedInfo().Config
		require.Equal(s.t, jetstream.DiscardNew, config.Discard)
		config.MaxMsgs = messages
		_, err = js.UpdateStream(s.t.Context(), config)
		require.NoError(s.t, err)
	}
}

// smallDisk holds what a fault's events and deliveries take many times over, and
// is filled within a moment.
const smallDisk = "256m"

// onSmallDisk gives nats-server a file system of its own, in memory.
func onSmallDisk(s *site) {
	s.disk = s.t.TempDir()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+smallDisk, "tmpfs", s.disk).CombinedOutput()
	if err != nil {
		s.t.Skipf("only root can mount a disk to fill: %s", out)
	}
	s.t.Cleanup(func() {
		out, err := exec.Command("umount", "--lazy", s.disk).CombinedOutput()
		require.NoError(s.t, err, "%s", out)
	})
}

// fullDisk takes up all there is of the disk, and gives it back. A stream that
// could not be written takes nothing more until nats-server is started anew.
func fullDisk(s *site) {
	ballast := filepath.Join(s.disk, "ballast")
	require.NoError(s.t, fill(ballast))
	time.Sleep(roomless)
	require.NoError(s.t, os.Remove(ballast))
	s.nats.Stop()
	s.nats.Start()
}

// fill writes to a file until its disk is full.
func fill(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for block := make([]byte, 64<<10); err == nil; {
		_, err = file.Write(block)
	}
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return err
}
