import { Empty } from '../../ui/states.tsx';

const PlaygroundPage = () => <Empty title="Playground" />;

export default PlaygroundPage;
