package dockertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// Authority signs certificates that are for tests.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority whose own certificate is good for an hour.
func NewAuthority(name string) *Authority {
	key := newKey()
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	return &Authority{cert: cert, key: key}
}

// PEM is the authority's certificate, as a file of one has it.
func (a *Authority) PEM() []byte { return certPEM(a.cert.Raw) }

// Issue signs a certificate, for a client or for a server on 127.0.0.1, that
// is good until the given time, and returns it and its key in PEM.
func (a *Authority) Issue(name string, until time.Time) (cert, key []byte) {
	k := newKey()
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name}, NotBefore: a.cert.NotBefore, NotAfter: until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, k.Public(), a.key)
	must(err)
	text, err := x509.MarshalPKCS8PrivateKey(k)
	must(err)
	return certPEM(der), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}

// Server is the configuration of a server with a certificate of the authority
// that takes only clients with another of it.
func (a *Authority) Server() *tls.Config {
	pair, err := tls.X509KeyPair(a.Issue("engine", a.cert.NotAfter))
	must(err)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(err)
	return n
}

// must is for what only a broken standard library would refuse.
func must(err error) {
	if err != nil {
		panic("dockertest: " + err.Error())
	}
}
