// The application's endpoints. Every failure is an ApiError whose message can be shown to a person.

export class ApiError extends Error {
  /** @param {number} status HTTP status; 0 if there was no answer */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { Accept: 'application/json', ...options.headers } });
  } catch {
    throw new ApiError(0, 'The server does not answer. Is it running, and are you online?');
  }
  const text = await response.text();
  const data = parse(text);
  if (!response.ok) {
    throw new ApiError(response.status, data?.error ?? (text.trim() || `The server answered ${response.status}.`));
  }
  return data;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @returns {Promise<{id: string, exp: number, csrf_token: string}>} */
export function login(userId) {
  return ask('/login.php', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ userId }),
  });
}

export function logout() {
  return ask('/logout.php', { method: 'POST' });
}

/** Who this browser is now, with a fresh form token. @returns {Promise<{id: ?string, csrf_token?: string}>} */
export function whoAmI() {
  return ask('/send.php');
}

export function send(channel, message, token) {
  const body = new URLSearchParams({ channel, message, csrf_token: token });
  return ask('/send.php', { method: 'POST', body });
}
