import { tokenWanted } from './api/token.ts';
import { Frame } from './components/frame.tsx';
import { TokenForm } from './components/token-form.tsx';
import { route } from './navigation.ts';
import { CapacityPage } from './pages/capacity.tsx';
import { EdgesPage } from './pages/edges.tsx';
import { EventsPage } from './pages/events.tsx';
import { FleetPage } from './pages/fleet.tsx';
import { ForesightPage } from './pages/foresight.tsx';
import { HostedVmPage } from './pages/hosted-vm.tsx';

export function App() {
  return <Frame>{tokenWanted.value ? <TokenForm /> : <Page />}</Frame>;
}

function Page() {
  const { page, id } = route.value;
  switch (page) {
    case 'fleet':
      return <FleetPage />;
    case 'hosted-vm':
      return <HostedVmPage key={id} id={id} />;
    case 'capacity':
      return <CapacityPage />;
    case 'foresight':
      return <ForesightPage />;
    case 'edges':
      return <EdgesPage />;
    case 'events':
      return <EventsPage />;
    case 'not-found':
      return (
        <>
          <h1 tabIndex={-1}>There is no page here.</h1>
          <p>
            <a href="/">To the fleet</a>
          </p>
        </>
      );
  }
}
