// create_dialog.js: a new document.
import { button, h, openDialog } from './dom.js';
import { copyButtons } from './copy.js';
import { JsonField } from './json_field.js';
import { compactJson } from './json_format.js';
import { DOCUMENT_ID, SERVICE_NAME, documentPath, request } from './session.js';

const TTL_MAX_S = 31536000;

function field(id, label, attributes, hint) {
	const input = h('input', {
		type: 'text',
		id,
		spellcheck: 'false',
		autocomplete: 'off',
		'aria-describedby': `${id}-hint`,
		...attributes,
	});
	const fault = h('p', { class: 'fault', id: `${id}-fault`, role: 'alert' });
	const element = h(
		'div',
		{ class: 'field' },
		h('label', { for: id }, label),
		input,
		h('p', { class: 'muted small', id: `${id}-hint` }, hint),
		fault,
	);
	return {
		input,
		element,
		get value() {
			return input.value.trim();
		},
		say(text) {
			fault.textContent = text;
			input.setAttribute('aria-invalid', String(text !== ''));
			return text === '';
		},
	};
}

// What the form says, as operation; null: something in it is wrong, and says so.
function operationOf({ service, id, ttl, data }) {
	const seconds = ttl.value === '' ? undefined : Number(ttl.value);
	const fine = [
		service.say(SERVICE_NAME.test(service.value) ? '' : 'Letters, digits, _ and -, 64 at most.'),
		id.say(id.value === '' || DOCUMENT_ID.test(id.value) ? '' : 'Letters, digits and _ . : @ -, 128 at most.'),
		ttl.say(
			seconds === undefined || (Number.isInteger(seconds) && seconds >= 1 && seconds <= TTL_MAX_S)
				? ''
				: 'Whole seconds, from 1 to a year.',
		),
		data.check(),
	];
	if (fine.includes(false)) return null;
	const members = `${id.value ? `"id":${JSON.stringify(id.value)},` : ''}"data":${compactJson(data.text)}${seconds ? `,"ttl":${seconds}` : ''}`;
	const rest = members.replace(/^"id":/, '"documentId":');
	return {
		method: 'POST',
		path: documentPath(service.value),
		body: `{${members}}`,
		message: `{"type":"sync.create","service":${JSON.stringify(service.value)},${rest},"id":1}`,
	};
}

// Resolves nothing; oncreated(envelope) when it is done.
export function openCreateDialog({ service: chosen = '', id: chosenId = '', services = [], oncreated }) {
	const parts = {
		service: field(
			'create-service',
			'Service',
			{ list: 'create-services', value: chosen, required: true },
			'A new name makes a new service.',
		),
		id: field('create-id', 'ID', { placeholder: 'made by the server', value: chosenId }, 'Empty: one that cannot be guessed.'),
		ttl: field('create-ttl', 'Expires after (seconds)', { inputmode: 'numeric', placeholder: 'never' }, 'Empty: it never does.'),
		data: new JsonField({ label: 'Data', text: '{\n  \n}', rows: 10 }),
	};
	const fault = h('p', { class: 'fault', role: 'alert' });
	const form = h(
		'form',
		{ id: 'create-form', class: 'form', novalidate: true, onsubmit: submit },
		h(
			'datalist',
			{ id: 'create-services' },
			services.map(name => h('option', { value: name })),
		),
		h('div', { class: 'columns-2' }, parts.service.element, parts.id.element, parts.ttl.element),
		parts.data.element,
		fault,
	);
	const send = button('Create', null, { kind: 'primary', type: 'submit', form: 'create-form' });
	const dialog = openDialog({
		title: 'Create a document',
		body: form,
		foot: [
			h(
				'span',
				{ class: 'start' },
				copyButtons(() => operationOf(parts), 'create'),
			),
			button('Cancel', () => dialog.close()),
			send,
		],
	});
	(chosen ? parts.id : parts.service).input.focus();

	async function submit(event) {
		event.preventDefault();
		const operation = operationOf(parts);
		if (!operation) {
			dialog.querySelector('[aria-invalid="true"]')?.focus();
			return;
		}
		send.disabled = true;
		fault.textContent = '';
		try {
			const envelope = await request(operation.method, operation.path, { body: operation.body });
			dialog.close();
			oncreated(envelope);
		} catch (error) {
			if (error.code === 'document_exists') parts.id.say('There is a document with this id already.');
			else fault.textContent = error.message;
		} finally {
			send.disabled = false;
		}
	}
}
