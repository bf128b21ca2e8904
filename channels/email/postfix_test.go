package email

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// postfix is an instance of its own of a real mail server, which delivers into
// a Maildir. All of it is in a temporary directory: the system's own Postfix,
// if it runs one, is not touched. Postfix wants to be root; run by somebody
// else, it is made to believe so by fakeroot.
type postfix struct {
	dir     string
	address string
}

const postfixMain = `
compatibility_level = 3.6
queue_directory = DIR/queue
data_directory = DIR/data
command_directory = /usr/sbin
daemon_directory = DAEMONS
mail_owner = postfix
setgid_group = postdrop
import_environment = MAIL_CONFIG LANG=C PATH LD_PRELOAD LD_LIBRARY_PATH FAKEROOTKEY
maillog_file = DIR/log
maillog_file_prefixes = DIR
syslog_name = postfix
myhostname = mta.example
mydestination =
mynetworks =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
virtual_mailbox_domains = example.com, xn--bcher-kva.example
virtual_mailbox_base = DIR/mail
virtual_mailbox_maps = regexp:DIR/etc/mailboxes
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = permit_sasl_authenticated, check_recipient_access regexp:DIR/etc/access
smtpd_tls_security_level = may
smtpd_tls_cert_file = DIR/certificate.pem
smtpd_tls_key_file = DIR/key.pem
smtpd_tls_auth_only = yes
smtpd_tls_received_header = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
`

const postfixMaster = `
ADDRESS inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
`

var postfixQueues = []string{
	"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "private", "public", "saved", "trace",
}

func startPostfix(t *testing.T, mechanism string) *postfix {
	t.Helper()
	p := &postfix{dir: t.TempDir()}
	p.layOut(t)
	certify(t, p.dir)
	serveLogins(t, filepath.Join(p.dir, "queue", "private", "auth"), mechanism)
	for range portTries {
		p.address = freeAddress(t)
		if p.run(t) {
			return p
		}
	}
	require.FailNow(t, "Postfix does not start")
	return nil
}

// portTries is how often a port is chosen anew that somebody else has taken before
// Postfix could.
const portTries = 5

const daemons = "/usr/lib/postfix/sbin"

func (p *postfix) configure(t *testing.T) {
	t.Helper()
	fill := strings.NewReplacer("DIR", p.dir, "DAEMONS", daemons, "ADDRESS", p.address)
	for name, text := range map[string]string{
		"main.cf":   fill.Replace(postfixMain),
		"master.cf": fill.Replace(postfixMaster),
		"mailboxes": "!/^nobody@/ everybody/\n",
		"access":    "/^shy@/ 530 5.7.0 Authentication required\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(p.dir, "etc", name), []byte(text), 0o644))
	}
}

// layOut makes the directories of an instance, which belong to whom Postfix
// wants them to, where that is in our power.
func (p *postfix) layOut(t *testing.T) {
	t.Helper()
	for _, dir := range []string{p.dir, filepath.Dir(p.dir)} {
		require.NoError(t, os.Chmod(dir, 0o755)) // for its owner
	}
	for _, dir := range []string{"etc", "mail", "queue", "queue/pid"} {
		require.NoError(t, os.MkdirAll(filepath.Join(p.dir, dir), 0o755))
	}
	owned := []string{"data"}
	for _, queue := range postfixQueues {
		owned = append(owned, filepath.Join("queue", queue))
	}
	for _, dir := range owned {
		require.NoError(t, os.Mkdir(filepath.Join(p.dir, dir), 0o755))
		if os.Getuid() == 0 {
			require.NoError(t, os.Chown(filepath.Join(p.dir, dir), idOf(t, "postfix"), -1))
		}
	}
	if os.Getuid() == 0 {
		require.NoError(t, os.Chown(filepath.Join(p.dir, "mail"), 65534, 65534))
	}
}

func idOf(t *testing.T, name string) int {
	t.Helper()
	found, err := user.Lookup(name)
	require.NoError(t, err)
	id, err := strconv.Atoi(found.Uid)
	require.NoError(t, err)
	return id
}

// run starts the server and waits until it speaks, or has ended, as it does where
// its port is taken. It ends with the test.
func (p *postfix) run(t *testing.T) (speaks bool) {
	t.Helper()
	p.configure(t)
	master := filepath.Join(daemons, "master")
	require.FileExists(t, master, "this test runs a real mail server: install Debian's package postfix (apt-get install postfix)")
	command := []string{master, "-s"} // in the foreground
	if os.Getuid() != 0 {
		own := "cd " + p.dir + " && chown -R postfix data queue && chown root queue queue/pid && exec " + strings.Join(command, " ")
		command = []string{"fakeroot", "sh", "-c", own}
	}
	server := exec.Command(command[0], command[1:]...)
	server.Env = append(os.Environ(), "MAIL_CONFIG="+filepath.Join(p.dir, "etc"))
	var said strings.Builder
	server.Stdout, server.Stderr = &said, &said
	require.NoError(t, server.Start(), "installed by apt-get install postfix fakeroot")
	exited := make(chan struct{})
	go func() { _ = server.Wait(); close(exited) }()
	t.Cleanup(func() {
		p.stop()
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
			_ = server.Process.Kill() // it never said who it is
			<-exited
		}
	})
	for deadline := time.Now().Add(time.Minute); !p.greets(); {
		select {
		case <-exited:
			t.Logf("Postfix has ended: %s%s", said.String(), p.log()) // it does not say that a port is taken
			return false
		case <-time.After(20 * time.Millisecond):
			require.True(t, time.Now().Before(deadline), p.log())
		}
	}
	return true
}

// greets reports whether it is this server that listens at the address.
func (p *postfix) greets() bool {
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	said, _ := bufio.NewReader(conn).ReadString('\n') // what is not said greets nobody
	return strings.HasPrefix(said, "220 mta.example ")
}

// stop ends the server by the process that it says it is: it leaves the one
// that was started.
func (p *postfix) stop() {
	text, _ := os.ReadFile(filepath.Join(p.dir, "queue", "pid", "master.pid"))
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 1 {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
}

func (p *postfix) log() string {
	text, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return string(text)
}

// certify makes a certificate for 127.0.0.1 that vouches for itself.
func certify(t *testing.T, dir string) {
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
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func (p *postfix) url(login, query string) string { return "smtp://" + login + p.address + query }

// mails waits until n mails are in the Maildir, and gives them.
func (p *postfix) mails(t *testing.T, n int) []string {
	t.Helper()
	var files []string
	require.Eventually(t, func() bool {
		var err error
		files, err = filepath.Glob(filepath.Join(p.dir, "mail", "everybody", "new", "*"))
		return err == nil && len(files) >= n
	}, time.Minute, 20*time.Millisecond, "%d mails: %s", n, fmt.Sprint(p.log()))
	var mails []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		mails = append(mails, string(text))
	}
	require.Len(t, mails, n)
	return mails
}
