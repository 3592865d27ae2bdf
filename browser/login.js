// The token that this page shows, where it shows one; cookies need nothing of this.

const base64url = (text) =>
  btoa(String.fromCharCode(...new TextEncoder().encode(text)))
    .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

export class Login {
  token = null;
  /** Whether the server has not let this token in yet. */
  isNew = true;
  #give;
  #end = Infinity;
  #ticket = '';

  /** @param give the token, a function that gets one, or nothing */
  constructor(give) {
    this.#give = give;
  }

  get canRenew() {
    return typeof this.#give === 'function';
  }

  /** What to show. The application is asked only where there is nothing, or when that has run out. */
  async get() {
    if (Date.now() > this.#end) this.token = null;
    if (!this.token && this.#give) this.keep(this.canRenew ? await this.#give() : this.#give);
    return this.token;
  }

  keep(token) {
    this.token = token;
    this.isNew = true;
    this.#end = Infinity;
    this.#ticket = '';
  }

  /** It was good: for `ttl` seconds, and the way back is open to whoever has the ticket. */
  accepted({ ttl = Infinity, ticket = this.#ticket }) {
    this.isNew = false;
    this.#end = Date.now() + ttl * 1000;
    this.#ticket = ticket;
  }

  /** How it travels where no header can be set: among the subprotocols. */
  get protocols() {
    return [
      ...(this.token ? [`bearer.${base64url(this.token)}`] : []),
      ...(this.#ticket ? [`ticket.${this.#ticket}`] : []),
    ];
  }

  get headers() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }
}
