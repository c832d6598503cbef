// ports.js: TCP ports of 127.0.0.1 that nobody takes between their choice and their use, not the kernel for a connection that
// goes out, and no other test: files run side by side, and SO_REUSEPORT would let two daemons share one without a word.
import dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';

const FIRST = 10000, // below are services of this machine
	LAST = 65535,
	TRIES = 200;

// The kernel's own choice, for sockets without a port, lies between these.
const [LOW, HIGH] = (() => {
	try {
		return fs.readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number);
	} catch {
		return [32768, 60999];
	}
})();
const below = Math.max(0, LOW - FIRST), above = Math.max(0, LAST - HIGH);

function randomPort() {
	const at = Math.floor(Math.random() * (below + above));
	return at < below ? FIRST + at : HIGH + 1 + at - below;
}

// The UDP socket of the same number is the claim: tests ask for it before they take the port, and the kernel drops it when we end.
function claim(port) {
	return new Promise(resolve => {
		const socket = dgram.createSocket('udp4');
		socket.once('error', () => resolve(null));
		socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(socket.unref()));
	});
}

function isFree(port) {
	return new Promise(resolve => {
		const server = net.createServer();
		server.once('error', () => resolve(false));
		server.listen({ port, host: '0.0.0.0', exclusive: true }, () => server.close(() => resolve(true)));
	});
}

// Ours until this process ends, however often servers on it are stopped and started.
export async function freePort() {
	for (let i = 0; i < TRIES && below + above > 0; i++) {
		const port = randomPort(), claimed = await claim(port);
		if (!claimed) continue;
		if (await isFree(port)) return port;
		claimed.close();
	}
	throw new Error(`no free port below ${LOW} or above ${HIGH}`);
}
