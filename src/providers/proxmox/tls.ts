import { TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';

export type Trust = {
  /** PEM of the CA, or several. */
  readonly ca?: string;
  /** SHA-256 of the server's certificate, `AA:BB:...`; upper or lower case, with or without colons. */
  readonly fingerprint?: string;
};

/** The server is not who the inventory says it is: nothing was sent, and asking again does not change it. */
export class UntrustedCertificate extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UntrustedCertificate';
  }
}

/** What Node and OpenSSL say of a chain or a name they do not accept. */
const untrusted =
  /^(ERR_TLS_CERT_ALTNAME_INVALID|CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY|GET|DECODE)|INVALID_CA|HOSTNAME_MISMATCH)/;

/** `AB:CD:... in upper case. @throws Error when it is not the SHA-256 of something */
export function normalFingerprint(text: string): string {
  const hex = text.replace(/[:\s]/g, '').toUpperCase();
  if (!/^[0-9A-F]{64}$/.test(hex)) {
    throw new Error('a fingerprint is the SHA-256 of the certificate: 32 pairs of hex digits, AA:BB:...');
  }
  return hex.match(/../g)!.join(':');
}

/**
 * Opens connections that are trusted by CA, by fingerprint, or (neither given) by the public authorities.
 *
 * A pin cannot be left to `checkServerIdentity`: Node ignores its verdict together with `rejectUnauthorized: false`,
 * and without that a certificate of Proxmox's own CA is refused before it is asked. So the pin is compared here, after
 * the handshake and before a single byte of the request (and with it the token) is sent.
 */
export function trustedConnector(trust: Trust, timeoutMs: number): buildConnector.connector {
  const pin = trust.fingerprint === undefined ? undefined : normalFingerprint(trust.fingerprint);
  const connect = buildConnector({
    timeout: timeoutMs,
    // A resumed session shows no certificate, so there would be nothing to compare the pin with.
    maxCachedSessions: 0,
    ...(trust.ca === undefined ? {} : { ca: trust.ca }),
    // With a CA the chain is verified as well; the pin alone stands for both chain and name.
    ...(pin !== undefined && trust.ca === undefined ? { rejectUnauthorized: false } : {}),
  });
  return (options, callback) => {
    connect(options, (...[error, socket]: Parameters<buildConnector.Callback>) => {
      if (error !== null) {
        const { code } = error as { readonly code?: string };
        callback(code !== undefined && untrusted.test(code) ? distrusted(code, error) : error, null);
        return;
      }
      if (pin === undefined || !(socket instanceof TLSSocket)) {
        callback(null, socket);
        return;
      }
      const found = socket.getPeerCertificate().fingerprint256;
      if (found === pin) {
        callback(null, socket);
        return;
      }
      socket.destroy();
      const text = `the server's certificate has fingerprint ${found}, the inventory says ${pin}`;
      callback(new UntrustedCertificate(text), null);
    });
  };
}

function distrusted(code: string, cause: Error): UntrustedCertificate {
  const text = `the server's certificate is not trusted (${code}): give the cluster's fingerprint or caFile in the inventory`;
  return new UntrustedCertificate(text, { cause });
}
