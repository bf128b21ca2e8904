package email

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// exim is an instance of its own of a real mail server, which delivers into a
// Maildir. It needs no privileges: run by root, it becomes nobody.
type exim struct {
	dir      string
	listener net.Listener
	closed   chan struct{}  // the listener takes no more
	sessions sync.WaitGroup // each ends when its mails are in the Maildir
	failed   chan error
}

// nobody is the user of that name on every Linux (kernel.overflowuid).
const nobody = 65534

const eximConfig = `
exim_path = DIR/exim
exim_user = UID
exim_group = GID
never_users =
spool_directory = DIR/spool
log_file_path = DIR/log-%slog
primary_hostname = mta.example
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts = *
tls_certificate = DIR/certificate.pem
tls_privatekey = DIR/key.pem
auth_advertise_hosts = *
smtputf8_advertise_hosts = *
acl_smtp_rcpt = recipients
begin acl
recipients:
  deny !domains = example.com : xn--bcher-kva.example
       message = relay not permitted
  deny local_parts = nobody
       message = 550 5.1.1 No such user here: $local_part@$domain
  deny local_parts = shy
       condition = ${if eq{$authenticated_id}{}}
       message = 530 5.7.0 Authentication required
  accept
begin routers
everybody:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = DIR/mail
  create_directory
  user = UID
  group = GID
begin authenticators
AUTHENTICATOR
`

var eximAuthenticators = map[string]string{
	"PLAIN": `server:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{relay}}{eq{$auth3}{hunter2}}}}
  server_set_id = $auth2
  server_advertise_condition = ${if def:tls_in_cipher}`,
	"LOGIN": `server:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{relay}}{eq{$auth2}{hunter2}}}}
  server_set_id = $auth1
  server_advertise_condition = ${if def:tls_in_cipher}`,
	"CRAM-MD5": `server:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${if eq{$auth1}{relay}{hunter2}fail}
  server_set_id = $auth1
  server_advertise_condition = ${if def:tls_in_cipher}`,
}

func startExim(t *testing.T, mechanism string) *exim {
	t.Helper()
	e := &exim{dir: t.TempDir(), closed: make(chan struct{}), failed: make(chan error, 100)}
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = nobody, nobody
	}
	e.install(t)
	e.certify(t)
	config := strings.NewReplacer("DIR", e.dir, "UID", fmt.Sprint(uid), "GID", fmt.Sprint(gid),
		"AUTHENTICATOR", eximAuthenticators[mechanism]).Replace(eximConfig)
	require.NoError(t, os.WriteFile(filepath.Join(e.dir, "config"), []byte(config), 0o644))
	if os.Getuid() == 0 {
		require.NoError(t, filepath.WalkDir(e.dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Chown(path, uid, gid)
		}))
	}
	var err error
	e.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.listener.Close() })
	go e.serve()
	return e
}

// install copies the program, so that it runs without its set-user-id bit.
func (e *exim) install(t *testing.T) {
	t.Helper()
	program, err := exec.LookPath("exim4")
	if err != nil {
		program = "/usr/sbin/exim4" // not on the path of ordinary users
	}
	text, err := os.ReadFile(program)
	require.NoError(t, err, "this test runs a real mail server: install Debian's package exim4 (apt-get install exim4)")
	require.NoError(t, os.WriteFile(filepath.Join(e.dir, "exim"), text, 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(e.dir, "spool"), 0o755))
	for _, dir := range []string{e.dir, filepath.Dir(e.dir)} {
		require.NoError(t, os.Chmod(dir, 0o755)) // for nobody
	}
}

// certify makes a certificate for 127.0.0.1 that vouches for itself.
func (e *exim) certify(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mta.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{
		"certificate.pem": {Type: "CERTIFICATE", Bytes: certificate},
		"key.pem":         {Type: "PRIVATE KEY", Bytes: private},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(e.dir, name), pem.EncodeToMemory(block), 0o600))
	}
}

// serve runs a process for each connection, as inetd does; -odi delivers a
// mail before the next command is read.
func (e *exim) serve() {
	defer close(e.closed)
	for {
		conn, err := e.listener.Accept()
		if err != nil {
			return
		}
		e.sessions.Go(func() {
			if err := e.handle(conn.(*net.TCPConn)); err != nil {
				e.failed <- err
			}
		})
	}
}

func (e *exim) handle(conn *net.TCPConn) error {
	socket, err := conn.File()
	if err != nil {
		return err
	}
	server := exec.Command(filepath.Join(e.dir, "exim"), "-C", filepath.Join(e.dir, "config"), "-bs", "-odi")
	server.Stdin, server.Stdout = socket, socket
	server.Dir = e.dir
	if os.Getuid() == 0 {
		server.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	var said strings.Builder
	server.Stderr = &said
	err = server.Start()
	_, _ = conn.Close(), socket.Close() // the process has its own
	if err != nil {
		return err
	}
	if err := server.Wait(); err != nil {
		return fmt.Errorf("exim: %w: %s", err, said.String())
	}
	return nil
}

func (e *exim) url(login, query string) string {
	return "smtp://" + login + e.listener.Addr().String() + query
}

// mails ends the server, once its clients have hung up, and gives what is in
// the Maildir.
func (e *exim) mails(t *testing.T) []string {
	t.Helper()
	require.NoError(t, e.listener.Close())
	<-e.closed
	e.sessions.Wait()
	select {
	case err := <-e.failed:
		require.NoError(t, err)
	default:
	}
	files, err := filepath.Glob(filepath.Join(e.dir, "mail", "new", "*"))
	require.NoError(t, err)
	var mails []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		mails = append(mails, string(text))
	}
	return mails
}

// hangUp ends the sessions that nobody uses.
func hangUp(c *channel) {
	for s := c.pool.pop(); s != nil; s = c.pool.pop() {
		s.quit()
	}
}
