// json_aside.js: indents long texts beside the page, in a worker, so that it goes on answering.
import { formatJson } from './json_format.js';

const SHORT = 50000; // characters: sooner done here than sent there

let worker;
let lastId = 0;
const waiting = new Map(); // id → {resolve, reject}

function settle(id, how, value) {
	waiting.get(id)?.[how](value);
	waiting.delete(id);
}

function start() {
	worker = new Worker('/admin/json_worker.js', { type: 'module' });
	worker.onmessage = ({ data: { id, text } }) => settle(id, 'resolve', text);
	// It could not be started, or has ended: what waits is done here.
	worker.onerror = () => {
		worker = null;
		for (const id of [...waiting.keys()]) settle(id, 'reject', new Error('the worker has ended'));
	};
}

// Resolves to what formatJson() gives.
export async function formatJsonAside(text) {
	if (text.length < SHORT || worker === null) return formatJson(text);
	const id = ++lastId;
	try {
		if (!worker) start();
		return await new Promise((resolve, reject) => {
			waiting.set(id, { resolve, reject });
			worker.postMessage({ id, text });
		});
	} catch {
		worker = null; // browsers that take worker-src for default-src do not let it begin
		return formatJson(text);
	}
}
