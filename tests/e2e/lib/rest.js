// rest.js: REST over keep-alive connections, and bytes as they are over a socket.
import assert from 'node:assert/strict';
import { moduleFor, openSocket } from './transport.js';
import { DEADLINE_MS, within } from './wait.js';

export class Rest {
	constructor(url, options = {}) {
		const { hostname, port } = new URL(url);
		this.place = options.socketPath ? { socketPath: options.socketPath } : { host: hostname, port };
		this.http = moduleFor(this.place);
		this.agent = new this.http.Agent({ keepAlive: options.keepAlive ?? true, maxSockets: options.maxSockets ?? 32 });
		this.deadlineMs = options.deadlineMs ?? DEADLINE_MS;
	}

	// options: body (an object is sent as JSON, a string or Buffer as it is), type, headers, chunked.
	request(method, path, options = {}) {
		const headers = { ...options.headers };
		let { body } = options;
		if (body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body)) body = JSON.stringify(body);
		const type = options.type === undefined && body !== undefined ? 'application/json' : options.type;
		if (type) headers['Content-Type'] = type;
		if (body !== undefined && !options.chunked) headers['Content-Length'] = Buffer.byteLength(body);
		const answer = new Promise((resolve, reject) => {
			const request = this.http.request({ ...this.place, agent: this.agent, method, path, headers });
			request.on('error', reject);
			request.on('response', response => {
				const parts = [];
				response.on('data', part => parts.push(part));
				response.on('error', reject);
				response.on('end', () => resolve(new Answer(response, Buffer.concat(parts).toString('utf8'))));
			});
			request.end(body);
		});
		return within(answer, this.deadlineMs, `answer to ${method} ${path}`);
	}

	get(path, headers) {
		return this.request('GET', path, { headers });
	}

	put(path, body, headers) {
		return this.request('PUT', path, { body, headers });
	}

	post(path, body, headers) {
		return this.request('POST', path, { body, headers });
	}

	patch(path, body, type, headers) {
		return this.request('PATCH', path, { body, type, headers });
	}

	delete(path, headers) {
		return this.request('DELETE', path, { headers });
	}

	close() {
		this.agent.destroy();
	}
}

export class Answer {
	#json;

	constructor(response, text) {
		this.status = response.statusCode;
		this.headers = response.headers;
		this.text = text;
	}

	get json() {
		this.#json ??= JSON.parse(this.text);
		return this.#json;
	}
}

export const documentPath = (service, id) => `/v1/services/${service}/documents/${id}`;
export const collectionPath = service => `/v1/services/${service}/documents`;
export const revisionPath = (path, revision) => `${path}?revision=${revision}`;

// Sends bytes and collects what comes back until `isDone` of it, or the end of the connection. `parts`: sent one after the
// other. Resolves to {bytes, text, closed}.
export function exchange(port, parts, { isDone = () => false, deadlineMs = DEADLINE_MS } = {}) {
	const socket = openSocket(port);
	let bytes = Buffer.alloc(0);
	const result = new Promise(resolve => {
		const finish = closed => resolve({ bytes, text: bytes.toString('latin1'), closed });
		socket.on('connect', () => {
			for (const part of [parts].flat()) socket.write(Buffer.isBuffer(part) ? part : Buffer.from(part, 'latin1'));
		});
		socket.on('data', data => {
			bytes = Buffer.concat([bytes, data]);
			if (isDone(bytes)) finish(false);
		});
		// A reset after the answer is an end like any other.
		socket.on('error', () => finish(true));
		socket.on('end', () => finish(true));
		socket.on('close', () => finish(true));
	});
	return within(result, deadlineMs, () => `end of the exchange; so far: ${bytes.toString('latin1')}`).finally(() =>
		socket.destroy(),
	);
}

// True when the bytes hold one whole HTTP answer with a Content-Length.
export function hasWholeAnswer(bytes) {
	const text = bytes.toString('latin1');
	const end = text.indexOf('\r\n\r\n');
	if (end < 0) return false;
	const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end));
	return text.length >= end + 4 + (length ? Number(length[1]) : 0);
}

export function parseAnswer(text) {
	const match = /^HTTP\/1\.[01] (\d{3}) [^\r]*\r\n([\s\S]*?)\r\n\r\n([\s\S]*)$/.exec(text);
	if (!match) return null;
	const headers = {};
	for (const line of match[2].split('\r\n')) {
		const colon = line.indexOf(':');
		headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
	}
	return { status: Number(match[1]), headers, text: match[3] };
}

export const getRequest = (target, headers = '') => `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`;

// Answers as they follow each other on one connection.
export function splitAnswers(bytes) {
	const answers = [];
	for (let at = 0; at < bytes.length; ) {
		const end = bytes.indexOf('\r\n\r\n', at);
		if (end < 0) break;
		const head = bytes.toString('latin1', at, end);
		const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
		if (bytes.length < end + 4 + length) break;
		answers.push({ status: Number(head.slice(9, 12)), head, body: bytes.subarray(end + 4, end + 4 + length) });
		at = end + 4 + length;
		if (head.startsWith('HTTP/1.1 101')) {
			answers.rest = bytes.subarray(at);
			break;
		}
	}
	return answers;
}

// RFC 9457: what every refusal has.
export function assertProblem(answer, status, code, what = '') {
	assert.equal(answer.status, status, `${what} ${answer.text}`);
	assert.equal(answer.headers['content-type'], 'application/problem+json', what);
	const problem = answer.json ?? JSON.parse(answer.text);
	assert.equal(problem.status, status, what);
	if (code) assert.equal(problem.code, code, `${what} ${answer.text}`);
	for (const member of ['type', 'title', 'detail', 'code'])
		assert.ok(
			typeof problem[member] === 'string' && problem[member].length > 0,
			`${what} ${member}: ${answer.text}`,
		);
	return problem;
}

// Creates or replaces; resolves to the envelope.
export async function putDocument(rest, service, id, data) {
	const answer = await rest.put(documentPath(service, id), { data });
	assert.ok(answer.status === 200 || answer.status === 201, answer.text);
	return answer.json;
}

export function assertStatus(answer, status, what = '') {
	assert.equal(answer.status, status, `${what} ${answer.text}`);
	return answer.text ? answer.json : undefined;
}
