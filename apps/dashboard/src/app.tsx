import { Component, type ReactNode, Suspense } from 'react';
import { Route, Switch, useLocation } from 'wouter';
import { useUnfold } from './api.ts';
import { pages } from './pages.tsx';
import { KeyDialog } from './shell/key-dialog.tsx';
import { Shell } from './shell/shell.tsx';
import { ButtonLink } from './ui/button.tsx';
import { Empty, Failure, Loading } from './ui/states.tsx';
import { Toasts } from './ui/toasts.tsx';

/** Shows what a page threw instead of it; the navigation stays. */
class Boundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return <Failure isPage error={this.state.error} retry={() => this.setState({ error: null })} />;
  }
}

const NotFound = () => (
  <Empty isPage title="There is no such page">
    <div>
      <ButtonLink to="/">To the runs</ButtonLink>
    </div>
  </Empty>
);

/** The page: the shell, and in it what the address names. Another key begins everything anew. */
export const App = () => {
  const [path] = useLocation();
  const { generation } = useUnfold();
  return (
    <Shell>
      <KeyDialog />
      <Boundary key={`${generation} ${path}`}>
        <Suspense fallback={<Loading />}>
          <Switch>
            {pages.map(({ path: pattern, Page }) => (
              <Route key={pattern} path={pattern}>
                <Page key={generation} />
              </Route>
            ))}
            <Route>
              <NotFound />
            </Route>
          </Switch>
        </Suspense>
      </Boundary>
      <Toasts />
    </Shell>
  );
};
