import { effect } from '@preact/signals';
import { render } from 'preact';
import { followFleet } from './api/fleet.ts';
import { stayLive } from './api/live.ts';
import { App } from './app.tsx';
import { followLinks, route } from './navigation.ts';
import './style/base.css';
import './style/parts.css';

const place = document.querySelector('#app');
if (place === null) throw new Error('index.html has no #app');

document.addEventListener('click', followLinks);
effect(() => {
  const { page, id } = route.value;
  document.title = `${id === '' ? page : id} · Umbra`;
});
render(<App />, place);
followFleet();
void stayLive();
