// As much of a WebSocket as is needed, over an event stream and posts: for networks that let nothing else through.

import { PONG } from './values.js';

/** Most characters of one post: the server takes 65,536 bytes (S5), of which a character may need three. */
const POST_SIZE = 20_000;

export class EventStream {
  /** What the stream's welcome says; posts show it. */
  session = '';
  #url;
  #headers;
  #waiting = [];
  #isPosting = false;
  #stop = new AbortController();

  constructor(url, headers) {
    this.#url = url;
    this.#headers = headers;
    const ended = (status) => this.onclose({ code: 1006, reason: '', status });
    this.#read().then(ended, () => ended());
  }

  send(text) {
    if (text === PONG) return; // a stream's pings need no answer (S3)
    this.#waiting.push(text);
    if (!this.#isPosting) this.#post();
  }

  close() {
    this.#stop.abort();
  }

  /** One after the other, so that the order is kept; what comes meanwhile goes together. */
  async #post() {
    this.#isPosting = true;
    try {
      while (this.#waiting.length) {
        let body = this.#waiting.shift();
        while (this.#waiting.length && body.length + this.#waiting[0].length < POST_SIZE) {
          body += `\n${this.#waiting.shift()}`;
        }
        const { status } = await this.#fetch({ method: 'POST', body, headers: { 'X-Realtime-Session': this.session } });
        if (status !== 202) throw new Error(`status ${status}`);
      }
      this.#isPosting = false;
    } catch ({ message }) {
      // What was taken is not known. Over another connection all of it is asked again.
      this.onclose({ code: 1006, reason: message });
    }
  }

  /** Each event is one line of data (S2). */
  async #read() {
    const { ok, status, body } = await this.#fetch({ cache: 'no-store' });
    if (!ok) return status;
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ''; ;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      const lines = (text + value).split('\n');
      text = lines.pop();
      for (const line of lines) if (line.startsWith('data: ')) this.onmessage({ data: line.slice(6) });
    }
  }

  #fetch({ headers, ...options }) {
    const { signal } = this.#stop;
    return fetch(this.#url, { credentials: 'include', headers: { ...this.#headers, ...headers }, signal, ...options });
  }
}
