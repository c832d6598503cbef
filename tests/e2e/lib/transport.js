// transport.js: how the clients of the tests reach the server: plain, or, with SYNCDOC_TEST_TLS=1, over TLS, so that a test says
// the same about both. Unix sockets are always plain. Certificates are made by openssl, which Debian's ca-certificates brings.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { makeDirectory } from './process.js';

export const SECURE = process.env.SYNCDOC_TEST_TLS === '1';
if (SECURE) process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; // of the JavaScript client, too; tls.test.js looks at certificates

export function makeCertificate(directory, name, { days = 30 } = {}) {
	const cert = path.join(directory, `${name}.crt`),
		key = path.join(directory, `${name}.key`);
	execFileSync('openssl', [
		...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', String(days)],
		...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', cert],
	], { stdio: 'ignore' });
	fs.chmodSync(key, 0o600);
	return { cert, key };
}

let shared;
export const sharedCertificate = () => (shared ??= makeCertificate(makeDirectory('tls'), 'shared'));
export const tlsSettings = () => ({ 'tls.cert': sharedCertificate().cert, 'tls.key': sharedCertificate().key });

// http or https, for a request to that place.
export const moduleFor = place => (SECURE && !place.socketPath ? https : http);
export const urlOf = (port, scheme = 'http') => `${scheme}${SECURE ? 's' : ''}://127.0.0.1:${port}`;

// A socket to the server's port; options: those of net.connect().
export const openSocket = (port, options) => (SECURE ? tls : net).connect({ port, host: '127.0.0.1', ...options });
// Without a word, and with a reset where that is possible.
export const cutSocket = socket => (SECURE ? socket.destroy() : socket.resetAndDestroy());
// What an HTTP connection costs a worker; a WebSocket is one either way.
export const HTTP_DESCRIPTORS = SECURE ? 3 : 1;
