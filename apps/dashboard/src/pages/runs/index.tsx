import { Empty } from '../../ui/states.tsx';

const RunsPage = () => <Empty title="Runs" />;

export default RunsPage;
