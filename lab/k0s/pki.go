package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	caLifetime          = 87600 * time.Hour
	certificateLifetime = 8760 * time.Hour
	// cfssl, which signs for k0s, dates certificates back for clocks that differ.
	backdated = 5 * time.Minute
)

// pki has k0s's rules (pkg/certificate/manager.go): a CA is made once, every other certificate at
// each start of k0s.
type pki struct{ directory string }

type keyPair struct{ certificate, key []byte }

type request struct {
	name, commonName, organization string
	// Name of the CA that signs it.
	ca       string
	hosts    []string
	lifetime time.Duration
}

func (p pki) path(name string) string { return filepath.Join(p.directory, name) }

func (p pki) ensureCA(name, commonName string) error {
	if exists(p.path(name+".key")) && exists(p.path(name+".crt")) {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	certificate, err := sign(template, template, key, key, caLifetime)
	if err != nil {
		return err
	}
	return p.write(name, keyPair{certificate, encodeKey(key)})
}

// create makes a new key and certificate, also where there is one.
func (p pki) create(r request) (keyPair, error) {
	ca, caKey, err := p.load(r.ca)
	if err != nil {
		return keyPair{}, err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return keyPair{}, err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: r.commonName},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if r.organization != "" {
		template.Subject.Organization = []string{r.organization}
	}
	for _, host := range r.hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	lifetime := r.lifetime
	if lifetime == 0 {
		lifetime = certificateLifetime
	}
	certificate, err := sign(template, ca, key, caKey, lifetime)
	if err != nil {
		return keyPair{}, err
	}
	pair := keyPair{certificate, encodeKey(key)}
	return pair, p.write(r.name, pair)
}

// createAll makes several at once: keys take long.
func (p pki) createAll(requests []request) (map[string]keyPair, error) {
	pairs := map[string]keyPair{}
	var failed error
	var mutex sync.Mutex
	var group sync.WaitGroup
	for _, r := range requests {
		group.Add(1)
		go func() {
			defer group.Done()
			pair, err := p.create(r)
			mutex.Lock()
			defer mutex.Unlock()
			pairs[r.name] = pair
			if err != nil {
				failed = err
			}
		}()
	}
	group.Wait()
	return pairs, failed
}

// ensureKeyPair makes a key without certificate, once.
func (p pki) ensureKeyPair(name string) error {
	if exists(p.path(name+".key")) && exists(p.path(name+".pub")) {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := writeFile(p.path(name+".key"), encodeKey(key), 0o640); err != nil {
		return err
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	return writeFile(p.path(name+".pub"), encoded, 0o644)
}

func (p pki) write(name string, pair keyPair) error {
	if err := writeFile(p.path(name+".key"), pair.key, 0o640); err != nil {
		return err
	}
	return writeFile(p.path(name+".crt"), pair.certificate, 0o644)
}

func (p pki) load(name string) (*x509.Certificate, *rsa.PrivateKey, error) {
	certificate, err := decoded(p.path(name + ".crt"))
	if err != nil {
		return nil, nil, err
	}
	parsed, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, nil, err
	}
	key, err := decoded(p.path(name + ".key"))
	if err != nil {
		return nil, nil, err
	}
	private, err := x509.ParsePKCS1PrivateKey(key)
	return parsed, private, err
}

func decoded(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s is not PEM", path)
	}
	return block.Bytes, nil
}

func sign(
	template, parent *x509.Certificate, key, parentKey *rsa.PrivateKey, lifetime time.Duration,
) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 159))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-backdated)
	template.NotAfter = time.Now().Add(lifetime)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func encodeKey(key *rsa.PrivateKey) []byte {
	bytes := x509.MarshalPKCS1PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: bytes})
}
