'use client';
import { quantizeChosen } from '../page.js';

export default function Page() {
  return <input type="file" onChange={(event) => quantizeChosen(event.target)} />;
}
