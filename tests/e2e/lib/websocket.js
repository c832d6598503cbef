// websocket.js: a WebSocket client that records what comes and waits for what a test names.
import WebSocket from 'ws';
import { DEADLINE_MS, turn, until, within } from './wait.js';

export class WebSocketClient {
	constructor(socket) {
		this.socket = socket;
		this.messages = []; // all that came, in order; `text` of each is the frame as it stood on the wire
		this.unread = [];
		this.pings = 0;
		this.pongs = [];
		this.lastId = 0;
		socket.on('message', data => this.#take(String(data)));
		socket.on('ping', () => this.pings++);
		socket.on('pong', data => this.pongs.push(String(data)));
		socket.on('error', error => {
			this.fault = error;
		});
		this.closed = new Promise(resolve => {
			socket.on('close', (code, reason) => {
				this.end = { code, reason: String(reason) };
				resolve(this.end);
			});
		});
	}

	static async connect(url, { protocols = [], headers, welcome = true, createConnection, deflate = false } = {}) {
		const socket = new WebSocket(url, protocols, { headers, perMessageDeflate: deflate, createConnection });
		const client = new WebSocketClient(socket);
		const open = new Promise((resolve, reject) => {
			socket.once('open', resolve);
			socket.once('error', reject);
		});
		await within(open, DEADLINE_MS, `handshake with ${url}`);
		if (welcome) client.welcome = await client.next(message => message.type === 'welcome');
		return client;
	}

	#take(text) {
		const message = JSON.parse(text);
		Object.defineProperty(message, 'text', { value: text });
		this.messages.push(message);
		this.unread.push(message);
		this.wake?.();
	}

	// The first unread message that fits; those before it stay unread.
	async next(fits = () => true, deadlineMs = DEADLINE_MS) {
		const find = () => {
			const at = this.unread.findIndex(fits);
			if (at >= 0) return this.unread.splice(at, 1)[0];
			if (this.end && !this.unread.some(fits)) throw new Error(`closed with ${this.end.code} ${this.end.reason}`);
			return undefined;
		};
		return until(find, deadlineMs, () => `message ${fits}; unread: ${JSON.stringify(this.unread).slice(0, 2000)}`);
	}

	event(fits = () => true, deadlineMs) {
		return this.next(message => message.type === 'event' && fits(message), deadlineMs);
	}

	get events() {
		return this.messages.filter(message => message.type === 'event');
	}

	send(message) {
		this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
	}

	// Sends with an id of its own and gives back the answer to it.
	async request(message, deadlineMs) {
		const id = `request ${++this.lastId}`;
		this.send({ ...message, id });
		return this.next(answer => answer.id === id, deadlineMs);
	}

	async subscribe(message) {
		const answer = await this.request({ type: 'subscribe', ...message });
		if (answer.type !== 'subscribed') throw new Error(`not subscribed: ${answer.text}`);
		return answer;
	}

	waitForClose(deadlineMs = DEADLINE_MS) {
		return within(this.closed, deadlineMs, 'close of the WebSocket');
	}

	close() {
		this.socket.terminate();
	}
}

// True when nothing that fits came before the answer to a ping sent now: the server sends in order, so what it had to send
// before is there by then.
export async function nothingUntilPong(client, fits) {
	await client.request({ type: 'ping' });
	await turn(0);
	return !client.unread.some(fits);
}
