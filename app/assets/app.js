// Wires the page: forms to endpoints, the connection to what is drawn.

import * as api from './api.js';
import { Realtime } from './realtime.js';
import {
  announce, byId, ChannelView, clearProblem, forgetNotices, LogView, notify, showProblem, StateView,
} from './view.js';

const STORED_CHANNELS = 'realtime-demo-channels';

const me = { id: document.body.dataset.user, token: document.body.dataset.token };
const tabs = new BroadcastChannel('realtime-demo-login');
const address = new URL('/ws', location.href.replace(/^http/, 'ws'));
const realtime = new Realtime(address, isStillMe);
const channelView = new ChannelView((channel) => realtime.unsubscribe(channel));
const stateView = new StateView();
const log = new LogView();

// --- who -----------------------------------------------------------------------------------------------

/** Whether the server still knows this browser by the name it is shown under; null if it does not answer. */
async function isStillMe() {
  try {
    const answer = await api.whoAmI();
    me.token = answer.csrf_token ?? '';
    return answer.id === me.id;
  } catch {
    return null;
  }
}

function showWho() {
  const isKnown = me.id !== '';
  byId('welcome').hidden = isKnown;
  byId('desk').hidden = !isKnown;
  byId('logout').hidden = !isKnown;
  byId('state').hidden = !isKnown;
  byId('who').textContent = me.id;
  byId('own-channel').textContent = `user.${me.id}`;
  byId('who').title = isKnown ? `Logged in as ${me.id}` : '';
}

function enter(id, token) {
  Object.assign(me, { id, token });
  forgetNotices();
  showWho();
  realtime.connect();
  restoreChannels();
}

function leave(reason = '') {
  Object.assign(me, { id: '', token: '' });
  realtime.disconnect();
  log.clear();
  showWho();
  if (reason) notify(reason);
  byId('user-id').focus();
}

async function login(event) {
  event.preventDefault();
  const field = byId('user-id');
  const problem = byId('user-error');
  clearProblem(problem, field);
  const name = field.value.trim();
  if (!name) return showProblem(problem, 'Type a name first; any name will do.', field);
  try {
    const answer = await busy(event.target, () => api.login(name));
    enter(answer.id, answer.csrf_token);
    tabs.postMessage('changed');
    byId('subscribe-channel').focus();
  } catch (error) {
    showProblem(problem, error.message, field);
  }
}

async function logout(event) {
  event.preventDefault();
  try {
    await busy(event.target, api.logout);
    sessionStorage.removeItem(STORED_CHANNELS);
    leave();
    tabs.postMessage('changed');
  } catch (error) {
    notify(error.message);
  }
}

/** Another window of this browser logged in or out: the cookie is shared, so this one must follow. */
async function followOtherTab() {
  if (me.id && (await isStillMe()) === false) leave('You logged out, or in under another name, in another window.');
}

// --- channels --------------------------------------------------------------------------------------------

function restoreChannels() {
  for (const channel of JSON.parse(sessionStorage.getItem(STORED_CHANNELS) ?? '[]')) realtime.subscribe(channel);
}

function showChannels() {
  channelView.show(realtime.channels, realtime.refusals);
  const wanted = [...realtime.channels.keys()].filter((channel) => realtime.channels.get(channel) !== 'refused');
  if (me.id) sessionStorage.setItem(STORED_CHANNELS, JSON.stringify(wanted));
}

function isHeard(channel) {
  return realtime.channels.has(channel) && realtime.channels.get(channel) !== 'refused';
}

function subscribe(event) {
  event.preventDefault();
  const field = byId('subscribe-channel');
  const problem = byId('subscribe-error');
  clearProblem(problem, field);
  const channel = field.value.trim();
  if (!channel) return showProblem(problem, 'Which channel? Type a name, for example news.', field);
  if (isHeard(channel)) return showProblem(problem, `You already listen to ${channel}.`, field);
  if (!realtime.subscribe(channel)) return showProblem(problem, 'That name is too long for the server.', field);
  field.value = '';
  suggestForSending(channel);
}

function suggestForSending(channel) {
  if (!byId('send-channel').value) byId('send-channel').value = channel;
}

function tryChannel(event) {
  const { channel, own } = event.target.dataset;
  if (channel) listenTo(own === undefined ? channel : channel + me.id);
}

function listenTo(channel) {
  realtime.subscribe(channel);
  suggestForSending(channel);
  byId('send-message').focus();
}

// --- sending ---------------------------------------------------------------------------------------------

async function send(event) {
  event.preventDefault();
  const channel = byId('send-channel').value.trim();
  const message = byId('send-message').value;
  const problem = byId('send-error');
  for (const field of [byId('send-channel'), byId('send-message')]) clearProblem(problem, field);
  byId('sent').textContent = '';
  if (!channel) return showProblem(problem, 'Which channel shall it go to?', byId('send-channel'));
  if (!message.trim()) return showProblem(problem, 'There is no message yet.', byId('send-message'));
  try {
    await busy(event.target, () => sendAsMe(channel, message));
    byId('send-message').value = '';
    byId('send-message').focus();
    showSent(channel);
  } catch (error) {
    if (error.status === 401) leave('Your login has ended. Log in again to send.');
    else showProblem(problem, error.message);
  }
}

/** A refused form token (403) is asked for anew, once: it may only have been out of date. */
async function sendAsMe(channel, message) {
  try {
    return await api.send(channel, message, me.token);
  } catch (error) {
    if (error.status !== 403 || !(await isStillMe())) throw error;
    return api.send(channel, message, me.token);
  }
}

function showSent(channel) {
  byId('sent').textContent = isHeard(channel) ? `Sent to ${channel}.` : `Sent to ${channel}, which you do not listen to.`;
}

function sendByKeyboard(event) {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) byId('send').requestSubmit();
}

/** Keep a form from being sent twice while the first answer is on its way. */
async function busy(form, work) {
  const button = form.querySelector('[type=submit]');
  const hadFocus = button === document.activeElement;
  button.disabled = true;
  try {
    return await work();
  } finally {
    button.disabled = false;
    if (hadFocus) button.focus();
  }
}

// --- connection --------------------------------------------------------------------------------------------

function showState({ detail }) {
  stateView.show(detail);
  if (detail.state === 'open') forgetNotices();
  if (detail.reason) notify(`${detail.reason} Trying again…`, 'info');
}

function explainRefusal() {
  notify(`The server takes no connection from this page. See whether ALLOWED_ORIGINS names ${location.origin}.`);
}

function showMessage({ detail }) {
  log.add(detail.channel, detail.payload);
  channelView.count(detail.channel);
}

realtime.addEventListener('state', showState);
realtime.addEventListener('channels', showChannels);
realtime.addEventListener('message', showMessage);
realtime.addEventListener('denied', ({ detail }) => announce(`${detail.channel}: ${detail.text}`));
realtime.addEventListener('problem', ({ detail }) => notify(detail.text));
realtime.addEventListener('refused', explainRefusal);
realtime.addEventListener('loggedout', () => leave('You are not logged in any more. Log in to connect again.'));

byId('login').addEventListener('submit', login);
byId('logout').addEventListener('submit', logout);
byId('subscribe').addEventListener('submit', subscribe);
byId('no-channels').addEventListener('click', tryChannel);
byId('send').addEventListener('submit', send);
byId('send').addEventListener('input', () => { byId('sent').textContent = ''; });
byId('send-message').addEventListener('keydown', sendByKeyboard);
byId('clear').addEventListener('click', () => log.clear());
byId('retry').addEventListener('click', () => realtime.hurry());
window.addEventListener('online', () => realtime.hurry());
tabs.addEventListener('message', followOtherTab);

log.clear();
showWho();
if (me.id) enter(me.id, me.token);
