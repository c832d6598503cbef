// json_worker.js: the other side of json_aside.js.
import { formatJson } from './json_format.js';

self.onmessage = ({ data: { id, text } }) => self.postMessage({ id, text: formatJson(text) });
