import { Empty } from '../../ui/states.tsx';

const SystemPage = () => <Empty title="System" />;

export default SystemPage;
