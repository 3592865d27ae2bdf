// What was asked and is not answered yet (V2).

import { nothing, RealtimeError, whenAborted } from './values.js';

export class Requests {
  /** By id, in the order in which they were asked. */
  #waiting = new Map();
  #lastId = 0;

  /**
   * `resolve` and `reject` are called in the turn of the answer, so before what comes after it. `keep` says whether it
   * may be asked again on another connection: always, never, or, with 'login', only by somebody who has one.
   */
  add(message, { resolve, reject, keep = true, signal }) {
    const id = ++this.#lastId;
    const request = { text: JSON.stringify({ ...message, id }), resolve, reject, keep, forget: nothing };
    this.#waiting.set(id, request);
    request.forget = whenAborted(signal, () => {
      this.#waiting.delete(id);
      reject(signal.reason);
    });
    return id;
  }

  get ids() {
    return [...this.#waiting.keys()];
  }

  /** Send it, unless it is over. What is too long would end the connection, and the next one, too. */
  send(id, socket, limit) {
    const request = this.#waiting.get(id);
    if (!request) return;
    if (new TextEncoder().encode(request.text).length > limit) this.fail(id, { error: 'limit exceeded', code: 106 });
    else {
      request.wasSent = true;
      socket.send(request.text);
    }
  }

  answer(frame) {
    if (frame.type === 'error') this.fail(frame.id, frame);
    else this.#take(frame.id)?.resolve(frame);
  }

  fail(id, frame) {
    this.#take(id)?.reject(new RealtimeError(frame));
  }

  /** The connection is gone, and with it what was asked of it alone. Keys of visitors end with it (V5). */
  cut(hasLogin) {
    for (const [id, { keep, wasSent }] of [...this.#waiting]) {
      if (!keep) this.fail(id, { error: 'connection lost', retry: true });
      else if (keep === 'login' && wasSent && !hasLogin) this.fail(id, { error: 'perhaps not published', code: 100 });
    }
  }

  #take(id) {
    const request = this.#waiting.get(id);
    request?.forget();
    this.#waiting.delete(id);
    return request;
  }
}
