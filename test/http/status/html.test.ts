import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { html } from '../../../src/http/status/html.ts';

/** Under another name, so that prettier leaves the templates alone. */
const template = html;

describe('HTML', () => {
  it('takes text for text, in elements and in attributes', () => {
    const hostile = `"><script>alert('&')</script>`;
    const harmless = '&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;';
    assert.equal(
      template`<p title="${hostile}">${hostile}</p>`.toString(),
      `<p title="${harmless}">${harmless}</p>`,
    );
  });

  it('takes HTML for HTML, joins lists, and leaves out what is not there', () => {
    const items = ['a', '<b>'].map((item) => template`<li>${item}</li>`);
    assert.equal(
      template`<ul>${items}</ul>${undefined}${false}${true}${0}`.toString(),
      '<ul><li>a</li><li>&lt;b&gt;</li></ul>0',
    );
  });

  it('leaves backslashes in pieces alone', () => {
    assert.equal(template`<p>${'\\n'}</p>`.toString(), '<p>\\n</p>');
  });
});
