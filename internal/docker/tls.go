package docker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"
)

// secureDialTimeout bounds the connection and the handshake together; that is
// what Docker's own client gives to the connection.
const secureDialTimeout = 10 * time.Second

// pemFile is a file and what a person calls it: an option, or a name in the
// directory that the environment names.
type pemFile struct{ name, path string }

func (f pemFile) String() string { return f.name + " " + f.path }

// read returns the file. The error names what to look at.
func (f pemFile) read() ([]byte, error) {
	b, err := os.ReadFile(f.path)
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		err = pe.Err // the path stands before it
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f, err)
	}
	return b, nil
}

// tlsFiles are the files of TLS connections to the engine.
type tlsFiles struct {
	cert, key pemFile // both or none
	ca        pemFile // without a path: the authorities of this system
	// blind takes any certificate of the engine: DOCKER_CERT_PATH without
	// DOCKER_TLS_VERIFY.
	blind bool
}

// config reads all files once, so that one that is missing or does not fit
// ends the start. The certificate and its key are read again for each new
// connection: a renewed one needs no restart. The CA is read once.
func (f tlsFiles) config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.blind}
	if f.ca.path != "" && !f.blind {
		text, err := f.ca.read()
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: there is no certificate in it; it must be a PEM file", f.ca)
		}
	}
	if (f.cert.path == "") != (f.key.path == "") {
		return nil, errors.New("docker.tls.cert and docker.tls.key belong together: set both or none")
	}
	if f.cert.path == "" {
		return cfg, nil
	}
	if _, err := f.pair(); err != nil {
		return nil, err
	}
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := f.pair()
		if err != nil {
			return nil, err
		}
		return pair, f.current(pair.Leaf, time.Now())
	}
	return cfg, nil
}

// pair reads the certificate and its key.
func (f tlsFiles) pair() (*tls.Certificate, error) {
	cert, err := f.cert.read()
	if err != nil {
		return nil, err
	}
	key, err := f.key.read()
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(cert)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s: there is no certificate in it; it must be a PEM file", f.cert)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s is not the key of %s, in PEM and without a password: %w", f.key, f.cert, err)
	}
	return &pair, nil
}

// current says that a certificate cannot be used now. It does not end the
// start: the certificate may be renewed while the agent waits.
func (f tlsFiles) current(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%s expired on %s; renew it, the next connection reads it again", f.cert, leaf.NotAfter.Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%s is valid from %s on; is the clock of this host right?", f.cert, leaf.NotBefore.Format(time.RFC3339))
	}
	return nil
}

// dialer connects by TLS, with errors that name the file to look at.
func (f tlsFiles) dialer(cfg *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, secureDialTimeout)
		defer cancel()
		raw, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		cfg := cfg.Clone()
		if host, _, err := net.SplitHostPort(addr); err == nil {
			cfg.ServerName = host
		}
		conn := tls.Client(raw, cfg)
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = raw.Close() // the handshake's error counts
			return nil, f.explain(err)
		}
		return secureConn{conn, f}, nil
	}
}

// secureConn explains errors of reads as well: in TLS 1.3 the engine refuses a
// client after the handshake.
type secureConn struct {
	*tls.Conn
	files tlsFiles
}

// Read is the connection's.
func (c secureConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		err = c.files.explain(err)
	}
	return n, err
}

// explain adds to an error of TLS what to do about it; others stay.
func (f tlsFiles) explain(err error) error {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		plain   tls.RecordHeaderError
		remote  *net.OpError
	)
	switch {
	case errors.As(err, &unknown) && f.ca.path == "":
		return fmt.Errorf("no authority of this system signed the engine's certificate; name the one that did with docker.tls.ca: %w", err)
	case errors.As(err, &unknown):
		return fmt.Errorf("%s did not sign the engine's certificate; name the authority that did: %w", f.ca, err)
	case errors.As(err, &name):
		return fmt.Errorf("the engine's certificate is for another name than that of the endpoint; use a name that is in it: %w", err)
	case errors.As(err, &invalid):
		return fmt.Errorf("the engine's certificate cannot be used; renew it on its host: %w", err)
	case errors.As(err, &plain):
		return fmt.Errorf("the engine does not speak TLS on this port; use the other one, or drop the TLS options: %w", err)
	case errors.As(err, &remote) && remote.Op == "remote error" && f.cert.path == "":
		return fmt.Errorf("the engine wants a client certificate; set docker.tls.cert and docker.tls.key: %w", err)
	case errors.As(err, &remote) && remote.Op == "remote error":
		return fmt.Errorf("the engine refuses %s; it must be signed by the authority that the engine trusts (its --tlscacert): %w", f.cert, err)
	}
	return err
}
