// @ts-check
import { Component, h } from 'preact';

/** A component that renders again only if a prop has changed. */
export function memo(render) {
  return class extends Component {
    shouldComponentUpdate(next) {
      const keys = Object.keys(next);
      return keys.length !== Object.keys(this.props).length || keys.some((k) => next[k] !== this.props[k]);
    }

    render() { return h(render, this.props); }
  };
}
