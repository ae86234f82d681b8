import { Empty } from '../../ui/states.tsx';

const RunPage = () => <Empty title="Run" />;

export default RunPage;
