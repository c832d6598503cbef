// tls.js: TLS clients that say exactly what a test wants, when it wants.
import fs from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { Daemon } from './daemon.js';
import { scrape } from './metrics.js';
import { sharedCertificate, tlsSettings } from './transport.js';
import { DEADLINE_MS, until } from './wait.js';

// A daemon with TLS on its port; `rest` is plain, over a unix socket.
export async function startTlsDaemon({ redis, settings = {}, ...options }) {
	const daemon = new Daemon({ redis, socket: true, settings: { ...tlsSettings(), ...settings }, wait: false, ...options });
	await daemon.start();
	daemon.rest = daemon.client({ socketPath: daemon.socket });
	await until(
		async () => {
			return daemon.process.end || (await daemon.rest.get('/readyz').catch(() => null))?.status === 200;
		},
		30000,
		() => daemon.stderr.slice(-2000),
	);
	if (daemon.process.end) throw new Error(daemon.stderr.slice(-2000));
	return daemon;
}

// What /metrics says of it, over the plain socket: the scrape is no TLS connection.
export const tlsFigure = async (daemon, name) => (await scrape(daemon.rest)).value(`syncdoc_${name}`);
// Nothing of a connection is left.
export const allTlsGone = daemon =>
	until(async () => (await tlsFigure(daemon, 'tls_connections')) === 0, DEADLINE_MS, 'all TLS connections are gone');

// Bytes over TLS, collected.
export class TlsPeer {
	// options: those of tls.connect(); `socket`: an open one to go over.
	static async connect(port, options = {}) {
		const peer = new TlsPeer(port, options);
		await until(() => peer.secure || peer.ended, DEADLINE_MS, 'a TLS handshake');
		if (!peer.secure) throw new Error(`no TLS handshake: ${peer.error?.message}`);
		return peer;
	}

	constructor(port, options = {}) {
		this.parts = [];
		this.length = 0;
		this.sessions = [];
		const place = options.socket ? {} : { host: '127.0.0.1', port };
		this.socket = tls.connect({ ...place, ca: fs.readFileSync(sharedCertificate().cert), servername: 'localhost', ...options }, () => {
			this.secure = true;
			this.resumed = this.socket.isSessionReused();
		});
		this.socket.on('session', session => this.sessions.push(session));
		this.socket.on('data', data => {
			this.parts.push(data);
			this.length += data.length;
		});
		this.socket.on('error', error => {
			this.error = error;
		});
		this.socket.on('end', () => {
			this.finished = true; // the server has said that it sends no more
		});
		this.socket.on('close', () => {
			this.ended = true;
		});
	}

	get bytes() {
		if (this.parts.length > 1) this.parts = [Buffer.concat(this.parts)];
		return this.parts[0] ?? Buffer.alloc(0);
	}

	get text() {
		return this.bytes.toString('latin1');
	}

	write(bytes) {
		this.socket.write(bytes);
	}

	until(condition, what = String(condition)) {
		return until(() => condition(this), DEADLINE_MS, () => `${what}; ${this.length} bytes came, the last: ${this.text.slice(-300)}; ${this.error ?? ''}`);
	}

	close() {
		this.socket.destroy();
	}
}

// A plain TCP relay between a client and the server, which a test may make slow or cut.
export class Relay {
	static async start(port, options = {}) {
		const relay = new Relay();
		relay.toServer = 0;
		relay.pairs = [];
		relay.server = net.createServer(near => {
			const far = net.connect(port, '127.0.0.1');
			relay.pairs.push({ near, far });
			for (const socket of [near, far]) {
				socket.setNoDelay(true);
				socket.on('error', () => {});
			}
			near.on('data', data => relay.#forward(near, far, data, options));
			far.on('data', data => near.write(data));
			near.on('close', () => far.destroy());
			far.on('close', () => near.end());
		});
		await new Promise(resolve => relay.server.listen(0, '127.0.0.1', resolve));
		relay.port = relay.server.address().port;
		return relay;
	}

	// options: step(data) → how the bytes are cut; cutAfter: so many bytes to the server, then both ends are torn down.
	#forward(near, far, data, { step, cutAfter }) {
		if (cutAfter !== undefined && this.toServer + data.length >= cutAfter()) {
			far.write(data.subarray(0, cutAfter() - this.toServer), () => far.resetAndDestroy());
			near.destroy();
			return;
		}
		this.toServer += data.length;
		if (!step) {
			far.write(data);
			return;
		}
		this.queue = (this.queue ?? Promise.resolve()).then(async () => {
			for (const part of step(data)) await new Promise(resolve => far.write(part, () => setImmediate(resolve)));
		});
	}

	stop() {
		for (const { near, far } of this.pairs) {
			near.destroy();
			far.destroy();
		}
		return new Promise(resolve => this.server.close(resolve));
	}
}

